package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestAdminShowsAndEndsAUser(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site())
	w.load(config)
	user := userURL(admin, testClientID, "user-ada")
	operator := w.operator()
	if a := operator.admin(http.MethodGet, user); a.StatusCode != http.StatusNotFound {
		t.Errorf("a user nobody knows: %d\n%s", a.StatusCode, a.body)
	}

	began := time.Now()
	first, second := w.browser(), w.browser()
	first.signIn("/", "user-ada")
	second.signIn("/", "user-ada")
	a := operator.admin(http.MethodGet, user)
	var status zoompkce.UserStatus
	if err := json.Unmarshal([]byte(a.body), &status); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v\n%s", a.StatusCode, err, a.body)
	}
	if status.UserID != "user-ada" || len(status.Sessions) != 2 || status.SignedInAt.Before(began.Add(-time.Second)) ||
		!status.ExpiresAt.After(began) || len(status.Scopes) == 0 || status.Dead || status.Unsaved || !status.EndedAt.IsZero() {
		t.Errorf("got %s", a.body)
	}
	for _, secret := range []string{"eyJ", "_token", "ada@example.com", "Lovelace", testClientSecret} {
		if strings.Contains(a.body, secret) {
			t.Errorf("%q in the status:\n%s", secret, a.body)
		}
	}

	if a := operator.admin(http.MethodDelete, user); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d\n%s", a.StatusCode, a.body)
	}
	for _, b := range []*browser{first, second} {
		if a := b.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("after the delete: %d", a.StatusCode)
		}
	}
	if a := operator.admin(http.MethodDelete, user); a.StatusCode != http.StatusNotFound {
		t.Errorf("second delete: %d", a.StatusCode)
	}
	a = operator.admin(http.MethodGet, user)
	if !strings.Contains(a.body, `"sessions":[]`) || !strings.Contains(a.body, `"ended_at"`) {
		t.Errorf("after the delete: %d\n%s", a.StatusCode, a.body)
	}
	first.signIn("/", "user-ada") // and back in at once
}

func TestAdminStatus(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site())
	// The admin API is there before the handlers are, and sees those that come.
	w.load(strings.Replace(config, "zoom_pkce {", "zoom_pkce /a/* {", 1))
	b := w.browser()
	b.signIn("/a/", "user-ada")
	all := w.status(admin)
	if len(all.Apps) != 1 {
		t.Fatalf("got %+v", all)
	}
	app := all.Apps[0]
	if app.ClientID != testClientID || app.OAuthURL != w.zoom.URL || app.AppID != zoomapi.AppID(w.zoom.URL, testClientID) ||
		len(app.RedirectURIs) != 1 || app.RedirectURIs[0] != w.url+"/zoom_pkce/callback" ||
		app.Handlers != 1 || app.CachedUsers != 1 || app.UnsavedUsers != 0 || !app.ZAKPausedUntil.IsZero() {
		t.Errorf("got %+v", app)
	}

	w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.RateLimited("90", true))
	w.browser().signIn("/a/", "user-bob")
	if app := w.status(admin).Apps[0]; time.Until(app.ZAKPausedUntil) < time.Minute {
		t.Errorf("Zoom wants a pause of 90 s: %+v", app)
	}

	w.load(strings.Replace(config, "zoom_pkce {", "respond /b/* ok\nzoom_pkce /c/* {\n"+
		"client_id SecondApp0123456789abc\npath_prefix /other\nredirect_uri "+w.url+"/other/callback\n"+
		"headers {\naccess_token X-B1\nuser_id X-B2\naccount_id X-B3\nemail X-B4\nname X-B5\n}\nzak off\n}\nzoom_pkce {", 1))
	if all := w.status(admin); len(all.Apps) != 2 || all.Apps[0].AppID > all.Apps[1].AppID {
		t.Errorf("after a reload: %+v", all)
	}
	w.load(w.administered(w.caddyfile("respond ok"), admin))
	if all := w.status(admin); all.Apps == nil || len(all.Apps) != 0 {
		t.Errorf("without the directive: %+v", all)
	}
}

func TestAdminRefuses(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site())
	w.load(config)
	w.browser().signIn("/", "user-ada")
	operator := w.operator()
	for _, test := range []struct {
		name, method, target string
		header               []string
		want                 int
	}{
		{"a page of another site", http.MethodDelete, userURL(admin, testClientID, "user-ada"), []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a rebound host name", http.MethodGet, userURL(admin, testClientID, "user-ada"), []string{"Host", "evil.example"}, http.StatusForbidden},
		{"another method", http.MethodPost, userURL(admin, testClientID, "user-ada"), nil, http.StatusMethodNotAllowed},
		{"another method for the status", http.MethodPost, admin + "/zoom_pkce/status", nil, http.StatusMethodNotAllowed},
		{"another app", http.MethodDelete, userURL(admin, "another", "user-ada"), nil, http.StatusNotFound},
		{"no user", http.MethodDelete, userURL(admin, testClientID, ""), nil, http.StatusBadRequest},
		{"another path", http.MethodDelete, admin + "/zoom_pkce/apps/" + testClientID, nil, http.StatusNotFound},
		{"a method for the pauses", http.MethodGet, admin + "/zoom_pkce/apps/" + testClientID + "/pauses", nil, http.StatusMethodNotAllowed},
		{"the pauses of another app", http.MethodDelete, admin + "/zoom_pkce/apps/another/pauses", nil, http.StatusNotFound},
		{"more path", http.MethodDelete, userURL(admin, testClientID, "user-ada") + "/more", nil, http.StatusNotFound},
		{"a user id with a slash", http.MethodGet, userURL(admin, testClientID, "user/ada"), nil, http.StatusNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := operator.request(test.method, test.target, test.header...)
			if host := r.Header.Get("Host"); host != "" {
				r.Host = host
			}
			if a := operator.do(r); a.StatusCode != test.want {
				t.Errorf("got %d, want %d\n%s", a.StatusCode, test.want, a.body)
			}
		})
	}
	if a := operator.admin(http.MethodGet, userURL(admin, testClientID, "user-ada")); !strings.Contains(a.body, `"signed_in_at"`) {
		t.Errorf("the session did not survive: %d\n%s", a.StatusCode, a.body)
	}
}

// Whoever has lost the cookie secret ends the sessions that it sealed.
func TestAdminEndsWhatCannotBeOpened(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site(secrets(oldSecret)))
	w.load(config)
	w.browser().signIn("/", "user-ada")
	w.load(strings.Replace(config, oldSecret, newSecret, 1))

	operator := w.operator()
	user := userURL(admin, testClientID, "user-ada")
	if a := operator.admin(http.MethodGet, user); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "DELETE") {
		t.Errorf("a record that cannot be opened: %d\n%s", a.StatusCode, a.body)
	}
	if a := operator.admin(http.MethodDelete, user); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d\n%s", a.StatusCode, a.body)
	}
	if a := w.browser().signIn("/", "user-ada"); a.StatusCode != http.StatusOK {
		t.Errorf("signing in afterwards: %d\n%s", a.StatusCode, a.body)
	}
}

// usersPage is what the admin API answers about all users of an app.
type usersPage struct {
	Users    []struct{ Record, Reason string }
	KeyIDs   []string `json:"key_ids"`
	LookedAt int      `json:"looked_at"`
	Ended    int
	Failed   int
	Cursor   string
}

func (w *world) usersPage(admin, method, query string) (page usersPage, body string) {
	w.t.Helper()
	a := w.operator().admin(method, admin+"/zoom_pkce/apps/"+testClientID+"/users"+query)
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d, %v\n%s", a.StatusCode, err, a.body)
	}
	return page, a.body
}

// Whoever does not know whose records a lost secret has sealed finds and ends them all.
func TestAdminListsAndEndsAllUsers(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site(secrets(oldSecret)))
	w.load(config)
	w.browser().signIn("/", "user-ada")
	if page, body := w.usersPage(admin, http.MethodGet, ""); page.Users == nil || len(page.Users) != 0 || page.LookedAt != 1 {
		t.Errorf("all open: %s", body)
	}
	w.load(strings.Replace(config, oldSecret, newSecret, 1))
	bob := w.browser()
	bob.signIn("/", "user-bob")
	lost, body := w.usersPage(admin, http.MethodGet, "")
	if len(lost.Users) != 1 || lost.LookedAt != 2 || len(lost.KeyIDs) != 1 || lost.Cursor != "" ||
		!strings.Contains(body, `"key_id":"`) || strings.Contains(body, `"key_id":"`+lost.KeyIDs[0]) || !strings.HasPrefix(lost.Users[0].Record, "zoom_pkce/") {
		t.Errorf("one does not open: %s", body)
	}
	warning := w.warned("the cookie secret does not open the one record in the session store")
	for _, want := range []string{lost.KeyIDs[0], lost.Users[0].Reason[len("it was sealed with secret "):][:16], "/zoom_pkce/apps/" + testClientID + "/users"} {
		if !strings.Contains(warning, want) {
			t.Errorf("%q is missing in the warning: %s", want, warning)
		}
	}

	if page, body := w.usersPage(admin, http.MethodDelete, ""); page.Ended != 2 || page.Failed != 0 || page.Cursor != "" {
		t.Errorf("ended: %s", body)
	}
	if a := bob.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the end of all: %d", a.StatusCode)
	}
	if page, body := w.usersPage(admin, http.MethodGet, ""); len(page.Users) != 0 {
		t.Errorf("still there: %s", body)
	}
	w.browser().signIn("/", "user-ada")
	for _, refused := range []struct {
		method, query string
		want          int
	}{
		{http.MethodPost, "", http.StatusMethodNotAllowed},
		{http.MethodGet, "?cursor=nonsense", http.StatusBadRequest},
		{http.MethodDelete, "?cursor=" + zoomapi.AppID(w.zoom.URL, testClientID) + ".!", http.StatusBadRequest},
	} {
		if a := w.operator().admin(refused.method, admin+"/zoom_pkce/apps/"+testClientID+"/users"+refused.query); a.StatusCode != refused.want {
			t.Errorf("%+v: %d\n%s", refused, a.StatusCode, a.body)
		}
	}
}

// A daily limit pauses one kind of call until the next day, over reloads; an
// operator who had it raised does not wait for that.
func TestAdminLiftsPauses(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site("page_tokens on"))
	w.load(config)
	b := w.browser()
	b.signIn("/", "user-ada")
	w.zoom.Fail(zoomtest.CallOBF, 1, zoomtest.RateLimited("90", true))
	const meeting = `{"meeting_id":"123456789"}`
	if p := b.post("obf", meeting).problem(t); p.Code != "zoom_rate_limited" {
		t.Fatalf("got %+v", p)
	}
	w.load(config)
	if app := w.status(admin).Apps[0]; time.Until(app.OBFPausedUntil) < time.Minute || !app.ZAKPausedUntil.IsZero() {
		t.Errorf("Zoom wants a pause of 90 s: %+v", app)
	}
	other := w.browser()
	if got := other.signIn("/", "user-bob").received(t).Header.Get(zakHeader); got == "" {
		t.Error("OBF tokens have paused ZAKs")
	}
	if p := other.post("obf", meeting).problem(t); p.Code != "zoom_rate_limited" || w.zoom.Count(zoomtest.CallOBF) != 1 {
		t.Errorf("got %+v", p)
	}
	pauses := admin + "/zoom_pkce/apps/" + testClientID + "/pauses"
	if a := w.operator().admin(http.MethodDelete, pauses); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d %s", a.StatusCode, a.body)
	}
	if app := w.status(admin).Apps[0]; !app.OBFPausedUntil.IsZero() {
		t.Errorf("after the delete: %+v", app)
	}
	b.post("obf", meeting).obf(t)
	other.post("obf", meeting).obf(t)
}
