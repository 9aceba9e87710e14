package zoompkce_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Cookies, records and the generated secret of released versions keep their
// meaning. The files hold what such a version made, at the first moment of a
// bubble's clock; they are never made anew.
func TestKeptBytes(t *testing.T) {
	for _, version := range []string{"v1"} {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.app = w.zoom.AddApp(zoomtest.App{ClientID: "kept", ClientSecret: "app-secret", RedirectURIs: []string{callbackURI}})
				var kept struct {
					Ada, Ada2, Bob, Pending map[string]string
					State, Token, Restarted string
					Store                   map[string][]byte
				}
				raw, err := os.ReadFile("testdata/kept/" + version + ".json")
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
				p := w.process(func(c *zoompkce.ManagerConfig) { c.Secrets = nil })

				for _, cookies := range []map[string]string{kept.Ada, kept.Ada2} {
					token, err := p.token(&browser{cookies})
					if err != nil || token != kept.Token {
						t.Errorf("session: %v", err)
					}
				}
				if got := p.session(&browser{kept.Ada}).Profile().Email; got != "ada@example.com" {
					t.Errorf("profile: %q", got)
				}
				if got := p.session(&browser{kept.Bob}).Profile().ID; got != "bob" {
					t.Errorf("profile: %q", got)
				}

				if restarted, err := p.StateRestarted(ctx, kept.Restarted); !restarted || err != nil {
					t.Errorf("the state of a login that followed a failed one: %v", err)
				}
				pending := &browser{kept.Pending}
				l, err := p.PendingLogin(ctx, pending.header(), zoompkce.BrowserFlow, kept.State)
				if err != nil {
					t.Fatalf("pending login: %v", err)
				}
				if p.Overtaken(l, p.session(&browser{kept.Ada})) {
					t.Error("a session that is no newer has overtaken the pending login")
				}
				time.Sleep(time.Second)
				if !p.Overtaken(l, p.session(p.signIn("bob"))) {
					t.Error("a newer session has not overtaken the pending login")
				}
				if err := p.finish(pending, l, p.consent(l, "ada")); err != nil {
					t.Fatalf("finishing the pending login: %v", err)
				}
				p.works(pending)
				p.works(&browser{kept.Ada}) // the record is written anew, with all its sessions
			})
		})
	}
}
