package zoompkce_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Zoom does not always say invalid_grant of a refresh token that is spent. Taken
// for trouble, such an answer would leave the visitor with an error page for
// good; taken for final, real trouble would sign everybody out.
func TestRefreshRefusedInOtherWords(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		final  bool
	}{
		"invalid_request":              {http.StatusBadRequest, `{"reason":"Invalid Token!","error":"invalid_request"}`, true},
		"invalid_request, 401":         {http.StatusUnauthorized, `{"reason":"Invalid Token!","error":"invalid_request"}`, true},
		"the reason alone":             {http.StatusBadRequest, `{"reason":"Invalid Token!"}`, true},
		"another invalid_request":      {http.StatusBadRequest, `{"reason":"Bad Request","error":"invalid_request"}`, false},
		"invalid_request and no more":  {http.StatusBadRequest, `{"error":"invalid_request"}`, false},
		"the words of a proxy":         {http.StatusUnauthorized, `{"message":"Invalid Token"}`, false},
		"the same words in trouble":    {http.StatusBadGateway, `{"reason":"Invalid Token!"}`, false},
		"the same words, another word": {http.StatusBadRequest, `{"reason":"Invalid Token!","error":"temporarily_unavailable"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				toExpiry()
				w.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(test.status, test.body))
				if _, err := p.token(b); err == nil {
					w.Fatal("a token out of nothing")
				}
				time.Sleep(11 * time.Second) // the record is watched before it is believed
				if test.final {
					p.signedOut(b)
					p.works(p.signIn("ada"))
					return
				}
				w.zoom.Restore(zoomtest.CallRefresh)
				p.works(b)
			})
		})
	}
}
