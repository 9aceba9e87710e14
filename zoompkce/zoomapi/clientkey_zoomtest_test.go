package zoomapi_test

import (
	"encoding/json"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// What is registered at Zoom and what signs the calls belong together, for a
// strict reader of both.
func TestSimulatedClientKey(t *testing.T) {
	key, err := zoomapi.GenerateClientKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := zoomapi.GenerateClientKey()
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := zoomapi.ClientJWK(key, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	registered, err := zoomtest.ParseJWK(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key, id string
		taken   bool
	}{
		"with its key id":    {key, jwk.KeyID, true},
		"without a key id":   {key, "", true},
		"another key id":     {key, "another", false},
		"another key":        {other, jwk.KeyID, false},
		"another key, no id": {other, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulate(t, false, func(cfg *zoomapi.Config) { cfg.ClientKey, cfg.ClientKeyID = test.key, test.id })
			app := *s.app
			app.PublicKeys = []zoomtest.PublicKey{registered}
			s.zoom.AddApp(app)
			verifier := zoomapi.NewVerifier()
			token, err := s.client.Exchange(t.Context(), callbackURI, s.consent(verifier), verifier)
			if !test.taken {
				if zoomapi.KindOf(err) != zoomapi.KindInvalidClient {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token, err = s.client.Refresh(t.Context(), token.RefreshToken); err != nil {
				t.Fatal(err)
			}
			if err := s.client.Revoke(t.Context(), token.AccessToken); err != nil {
				t.Fatal(err)
			}
			if _, _, ok := s.zoom.ValidateAccessToken(token.AccessToken); ok {
				t.Error("not revoked")
			}
		})
	}
}
