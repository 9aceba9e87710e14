package zoompkce_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
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

// An entry that is of a later version, or cut, is no program: nobody is let in by a part of it.
func TestEntriesThatAreNoPrograms(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		var whole string
		w.must(zoompkce.ChangePrograms(ctx, p.Manager, "ada", func(entry string) string {
			whole = entry
			return entry
		}))
		plain, err := base64.RawURLEncoding.DecodeString(whole)
		w.must(err)
		encode := base64.RawURLEncoding.EncodeToString
		entries := []string{encode(append([]byte{plain[0] + 1}, plain[1:]...))}
		for n := range 3 { // what ends with a letter of base64, and what does not
			entries = append(entries, encode(append(plain, make([]byte, n)...))+"!")
		}
		for n := range plain {
			entries = append(entries, encode(plain[:n]))
		}
		for _, entry := range append(entries, whole) {
			w.must(zoompkce.ChangePrograms(ctx, p.Manager, "ada", func(string) string { return entry }))
			time.Sleep(11 * time.Second)
			_, err := p.ProgramSession(ctx, issuer, tokens.AccessToken)
			if in := entry == whole; in != (err == nil) || !in && !errors.As(err, new(*zoompkce.UnopenableError)) {
				t.Errorf("%s: %v", entry, err)
			}
		}
	})
}

// Of what a client calls itself and of where its codes go a record keeps a part.
func TestKeptPartsOfAClient(t *testing.T) {
	for name, test := range map[string]struct{ name, keptName, redirect, keptRedirect string }{
		"short":                 {"App", "App", "app.example", "app.example"},
		"just as long":          {strings.Repeat("n", 40), strings.Repeat("n", 40), strings.Repeat("r", 56), strings.Repeat("r", 56)},
		"a byte longer":         {strings.Repeat("n", 41), strings.Repeat("n", 40), "a" + strings.Repeat("r", 56), strings.Repeat("r", 56)},
		"cut within a letter":   {strings.Repeat("n", 39) + "Ä", strings.Repeat("n", 39), "", ""},
		"cut behind one letter": {strings.Repeat("n", 38) + "Äh", strings.Repeat("n", 38) + "Ä", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(withPrograms)
				b := p.signIn("ada")
				a := authorization
				a.Client.Name, a.Client.Redirect = test.name, test.redirect
				code, err := p.AllowProgram(ctx, p.session(b), p.consented(b), a)
				w.must(err)
				tokens, err := p.RedeemCode(ctx, redemption(code))
				w.must(err)
				program, _ := p.in(tokens).Program()
				if c := program.Client; c.Name != test.keptName || c.Redirect != test.keptRedirect || !c.KeptRedirect(test.redirect) {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

type keptPrograms struct {
	Ada                            map[string]string
	Access, Refresh, Code, Consent string
	Store                          map[string][]byte
}
