package zoompkce_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Signing out ends what the user has at Zoom, however old the access token is.
func TestSignOutEndsTheRefreshToken(t *testing.T) {
	for name, end := range map[string]func(w *world, p *process, b *browser){
		"by the visitor":  func(w *world, p *process, b *browser) { w.must(p.SignOut(ctx, b.header())) },
		"by the operator": func(w *world, p *process, _ *browser) { w.end(p, time.Time{}) },
	} {
		for _, age := range []time.Duration{0, time.Hour, 20 * time.Hour} {
			t.Run(name+", "+age.String(), func(t *testing.T) {
				bubble(t, func(w *world) {
					p := w.process()
					b := p.signIn("ada")
					time.Sleep(age)
					end(w, p, b)
					time.Sleep(time.Second)
					w.calls(zoomtest.CallRevoke, 1)
					client, err := zoomapi.NewClient(zoomapi.Config{
						ClientID: w.app.ClientID, ClientSecret: w.app.ClientSecret, OAuthURL: w.zoom.URL, HTTPClient: &http.Client{Transport: w},
					})
					if err != nil {
						w.Fatal(err)
					}
					if _, err := client.Refresh(ctx, w.refresh); zoomapi.KindOf(err) != zoomapi.KindInvalidGrant {
						w.Errorf("the refresh token lives on: %v", err)
					}
					if n := w.live(); n != 0 {
						w.Errorf("%d tokens live on", n)
					}
				})
			})
		}
	}
}
