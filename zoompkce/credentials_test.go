package zoompkce_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// withSecret gives a manager another client secret.
func (w *world) withSecret(secret string) func(*zoompkce.ManagerConfig) {
	return func(c *zoompkce.ManagerConfig) {
		client, err := zoomapi.NewClient(zoomapi.Config{
			ClientID: w.app.ClientID, ClientSecret: secret, OAuthURL: w.zoom.URL, HTTPClient: &http.Client{Transport: w},
		})
		if err != nil {
			w.Fatal(err)
		}
		c.Client = client
	}
}

// What Zoom said of wrong credentials is forgotten with them, and no sooner.
func TestInvalidClientIsForgottenWithTheSecret(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		toExpiry()
		p.reload(w.withSecret("mistyped")).Close()
		fails := func() {
			w.Helper()
			if _, err := p.token(b); zoomapi.KindOf(err) != zoomapi.KindInvalidClient {
				w.Errorf("%v", err)
			}
			w.calls(zoomtest.CallRefresh, 1)
		}
		fails()
		p.reload(w.withSecret("mistyped")).Close() // something else was changed
		fails()
		p.reload().Close()
		p.works(b)
	})
	t.Run("where a profile is wanted", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour })
			b := p.signIn("ada")
			time.Sleep(25 * time.Hour)
			p.reload(w.withSecret("mistyped"), func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour }).Close()
			if _, err := p.CurrentProfile(ctx, p.session(b)); zoomapi.KindOf(err) != zoomapi.KindInvalidClient {
				w.Errorf("%v", err)
			}
			p.reload(func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Hour }).Close()
			_, err := p.CurrentProfile(ctx, p.session(b))
			w.must(err)
		})
	})
}
