package doctor_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/caddystore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// signIn leaves the record of a user in the patient's storage, sealed with a secret,
// or with the generated one.
func (p *patient) signIn(t *testing.T, user string, secret ...[]byte) {
	t.Helper()
	p.zoom.AddUser(zoomtest.User{ID: user})
	client, err := zoomapi.NewClient(zoomapi.Config{ClientID: testClientID, ClientSecret: testClientSecret, OAuthURL: p.zoom.URL, HTTPClient: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	store := caddystore.New(&certmagic.FileStorage{Path: p.storage}, zap.NewNop())
	defer store.Cleanup()
	m, err := zoompkce.NewManager(zoompkce.ManagerConfig{
		Client: client, Store: store, Secrets: secret, Cookies: zoompkce.CookieConfig{Insecure: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, cookies, err := m.BeginLogin(t.Context(), nil, zoompkce.LoginRequest{RedirectURI: doctorRedirectURI, ReturnURL: "/"})
	if err != nil {
		t.Fatal(err)
	}
	callback, err := p.zoom.SignIn(t.Context(), m.AuthorizeURL(l), user)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, callback, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if _, err := m.SignIn(t.Context(), l, r.FormValue("code"), r.Header["Cookie"]); err != nil {
		t.Fatal(err)
	}
}

// A cookie secret is the right one if it opens what is in the store.
func TestDoctorComparesSecretsWithRecords(t *testing.T) {
	own, other := []byte(doctorSecret), []byte("aTqVf0Yk3pZxJwR7_mN5uLcB8hGdEsI2oC6vKbXtWyQ")
	generated := func(p *patient) { p.options["cookie"] = "{\nname other\n}" }
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, p *patient)
		status  []string // of the findings about the secret and the records
		message string   // part of the last one
		advice  string
	}{
		{"no records", func(*testing.T, *patient) {}, []string{"ok"}, "of good quality", ""},
		{"all open", func(t *testing.T, p *patient) {
			p.signIn(t, "ada", own)
			p.signIn(t, "bob", own)
		}, []string{"ok", "ok"}, "open all 2 records", ""},
		{"none opens", func(t *testing.T, p *patient) {
			p.signIn(t, "ada", other)
		}, []string{"ok", "fail"}, "does not open the one record in the session store", "GET /zoom_pkce/apps/" + testClientID + "/users"},
		{"not all open", func(t *testing.T, p *patient) {
			p.signIn(t, "ada", own)
			p.signIn(t, "bob", other)
		}, []string{"ok", "fail"}, "does not open 1 of all 2 records", "behind the present one in cookie secret"},
		{"own secret after a generated one", func(t *testing.T, p *patient) {
			p.signIn(t, "ada")
		}, []string{"ok", "warn", "ok"}, "open the one record", ""},
		{"own secret after a generated one that is gone", func(t *testing.T, p *patient) {
			p.signIn(t, "ada")
			p.removeSecret(t)
		}, []string{"ok", "fail"}, "does not open the one record", "DELETE there ends all users"},
		{"generated secret", func(t *testing.T, p *patient) {
			generated(p)
			p.signIn(t, "ada")
		}, []string{"ok", "ok"}, "open the one record", ""},
		{"generated secret after an own one", func(t *testing.T, p *patient) {
			generated(p)
			p.signIn(t, "ada", own)
		}, []string{"ok", "fail"}, "there is no generated cookie secret", "name the cookie secret"},
		{"generated secret that is gone", func(t *testing.T, p *patient) {
			generated(p)
			p.signIn(t, "ada")
			p.removeSecret(t)
		}, []string{"ok", "fail"}, "there is no generated cookie secret", "back from a backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			tt.prepare(t, p)
			found, healthy := p.examine(t)
			secrets := slices.DeleteFunc(found["secrets"], func(f finding) bool { return f.ClientID == "" })
			var status []string
			for _, f := range secrets {
				status = append(status, f.Status)
			}
			if !slices.Equal(status, tt.status) || healthy == slices.Contains(tt.status, "fail") {
				t.Fatalf("healthy: %v, %+v", healthy, secrets)
			}
			last := secrets[len(secrets)-1]
			if !strings.Contains(last.Message, tt.message) || !strings.Contains(last.Advice, tt.advice) {
				t.Errorf("got %+v", last)
			}
		})
	}
}

func (p *patient) secretKey() string {
	return zoompkce.SecretKey(zoomapi.AppID(p.zoom.URL, testClientID))
}

func (p *patient) removeSecret(t *testing.T) {
	t.Helper()
	if err := (&certmagic.FileStorage{Path: p.storage}).Delete(t.Context(), p.secretKey()); err != nil {
		t.Fatal(err)
	}
}

// The generated secret counts on beside one of the operator's own until it is removed.
func TestDoctorWarnsOfAGeneratedSecretInTheStore(t *testing.T) {
	p := newPatient(t)
	p.signIn(t, "ada")
	found, healthy := p.examine(t)
	for _, f := range found["secrets"] {
		if f.Status == "warn" {
			if !healthy || !strings.Contains(f.Message, "still holds the generated cookie secret") || !strings.Contains(f.Advice, "remove "+p.secretKey()) {
				t.Errorf("found %+v", f)
			}
			return
		}
	}
	t.Errorf("found %+v", found["secrets"])
}
