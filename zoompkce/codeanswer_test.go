package zoompkce_test

import (
	"errors"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// One user's codes without an answer do not displace each other, and trying again in vain is no use.
func TestCodesWithoutAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		var codes []string
		for range 5 {
			codes = append(codes, p.allow(b))
		}
		redeemAll := func() (tokens []*zoompkce.ProgramTokens) {
			for _, code := range codes {
				t, err := p.RedeemCode(ctx, redemption(code))
				if err == nil {
					tokens = append(tokens, t)
				} else if !errors.As(err, new(*zoompkce.StoreError)) {
					w.Errorf("%v", err)
				}
			}
			return tokens
		}
		w.store.failAfter("swap", len(codes))
		if tokens := redeemAll(); tokens != nil {
			w.Fatalf("%d answers without a store", len(tokens))
		}
		w.store.fail("load", len(codes))
		redeemAll()
		for _, tokens := range redeemAll() {
			p.in(tokens)
		}
		if list, err := p.Programs(ctx, p.session(b)); len(list) != len(codes) || err != nil {
			w.Errorf("%d programs of %d codes, %v", len(list), len(codes), err)
		}
	})
}
