package zoompkce_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestDeeplink(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		w.zoom.RevokeAccessTokens(w.app.ClientID, "ada")
		address, err := p.Deeplink(ctx, p.session(b))
		if err != nil || !strings.HasPrefix(address, "zoomus:") {
			w.Errorf("got %q, %v", address, err)
		}
		w.zoom.Fail(zoomtest.CallDeeplink, -1, zoomtest.Status(http.StatusOK, `{"deeplink":"https://evil.example/"}`))
		if address, err := p.Deeplink(ctx, p.session(b)); err == nil || address != "" {
			w.Errorf("got %q, %v", address, err)
		}
	})
}
