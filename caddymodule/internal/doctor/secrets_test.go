package doctor_test

import (
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/caddystore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

func TestDoctorWarnsOfAGeneratedSecretInTheStore(t *testing.T) {
	for _, tt := range []struct {
		name      string
		generated bool
		cookie    string // "": as the patient has it
		warns     bool
	}{
		{"own secret only", false, "", false},
		{"own secret after a generated one", true, "", true},
		{"generated secret", true, "{\nname other\n}", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			if tt.cookie != "" {
				p.options["cookie"] = tt.cookie
			}
			if tt.generated {
				client, err := zoomapi.NewClient(zoomapi.Config{ClientID: testClientID, OAuthURL: p.zoom.URL})
				if err != nil {
					t.Fatal(err)
				}
				store := caddystore.New(&certmagic.FileStorage{Path: p.storage}, zap.NewNop())
				if _, err := zoompkce.GeneratedSecret(t.Context(), store, client.AppID()); err != nil {
					t.Fatal(err)
				}
			}
			found, healthy := p.examine(t)
			if !healthy {
				t.Errorf("fails: %+v", found)
			}
			warned := false
			for _, f := range found["secrets"] {
				if f.Status == "warn" {
					warned = true
					if !strings.Contains(f.Message, "generated cookie secret") || !strings.Contains(f.Advice, "/zoom_pkce/apps/"+testClientID+"/users/") {
						t.Errorf("found %+v", f)
					}
				}
			}
			if warned != tt.warns {
				t.Errorf("warned: %v, want %v: %+v", warned, tt.warns, found["secrets"])
			}
		})
	}
}
