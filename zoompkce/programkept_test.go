package zoompkce_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Programs of released versions live on: the file holds what the first version
// with programs made, as that of TestKeptBytes does; it is never made anew.
func TestKeptPrograms(t *testing.T) {
	bubble(t, func(w *world) {
		w.app = w.zoom.AddApp(zoomtest.App{ClientID: "kept", ClientSecret: "app-secret", RedirectURIs: []string{callbackURI}})
		var kept keptPrograms
		raw, err := os.ReadFile("testdata/kept/programs1.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &kept); err != nil {
			t.Fatal(err)
		}
		for key, value := range kept.Store {
			if _, err := w.store.Swap(ctx, key, "", value, time.Now().Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		p := w.process(withPrograms, func(c *zoompkce.ManagerConfig) { c.Secrets = nil })
		b := &browser{kept.Ada}
		first := &zoompkce.ProgramTokens{AccessToken: kept.Access, RefreshToken: kept.Refresh}
		program, _ := p.in(first).Program()
		if program.Client != appClient {
			t.Errorf("%+v", program.Client)
		}
		p.in(p.refreshed(first))
		tokens, err := p.RedeemCode(ctx, redemption(kept.Code))
		if err != nil {
			t.Fatalf("the code: %v", err)
		}
		p.in(tokens)
		c, err := p.OpenConsent(ctx, p.session(b), issuer, kept.Consent)
		if err != nil || c.Request != "client_id=app" {
			t.Fatalf("the consent: %v", err)
		}
		if _, err := p.AllowProgram(ctx, p.session(b), c, authorization); err != nil {
			t.Errorf("the consent: %v", err)
		}
		if list, err := p.Programs(ctx, p.session(b)); len(list) != 2 || err != nil {
			t.Errorf("%d programs, %v", len(list), err)
		}
	})
}

type keptPrograms struct {
	Ada                            map[string]string
	Access, Refresh, Code, Consent string
	Store                          map[string][]byte
}
