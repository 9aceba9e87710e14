package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// wantOAuthError checks an error answer of RFC 6749, section 5.2.
func wantOAuthError(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	var refusal struct{ Error string }
	if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || a.StatusCode != status || refusal.Error != code ||
		a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: got %d %v, want %d %s\n%s", what, a.StatusCode, a.Header, status, code, a.body)
	}
}

// codeForm is what a code is redeemed with.
func (p *program) codeForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "code_verifier": {codeVerifier},
	}
}

func (p *program) refreshForm() url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.refresh}, "client_id": {p.id}}
}

// refreshSoon refreshes once the store is asked again, which may be a moment after
// its trouble is over.
func (p *program) refreshSoon(t *testing.T) {
	t.Helper()
	var a answer
	testkit.Eventually(t, "the store to be asked again", 15*time.Second, func() bool {
		a = p.refreshed()
		return a.StatusCode != http.StatusServiceUnavailable
	})
	p.takeTokens(a)
}

// Whatever is the matter with the store, a program is asked to try again, and what
// it has stays good.
func TestProgramsWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site(programOptions, "session {\nsync_interval 100ms\n}", secrets(oldSecret)), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	p := w.program().signedInBy(b)
	down := func(operations ...string) {
		trouble(t, func(_ context.Context, operation string) error {
			if slices.Contains(operations, operation) {
				return syscall.EIO
			}
			return nil
		})
	}
	later := func(what string, a answer) {
		t.Helper()
		w.wantUnavailable(what, a)
		wantOAuthError(t, what, a, http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	for _, broken := range [][]string{{"store"}, {"load"}, {"store", "load", "lock"}} {
		code := p.redirected(b.pressConsent(b.open(p.request()), "allow")).Get("code")
		w.load(w.caddyfile("respond gone")) // a process that remembers nothing
		w.loadJSON(config)
		down(broken...)
		what := strings.Join(broken, " and ")
		later(what+": a code", p.post("oauth/token", p.codeForm(code)))
		later(what+": a refresh token", p.refreshed())
		later(what+": revoking", p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {p.id}}))
		if a := p.call(http.MethodGet, "/"); !slices.Contains(broken, "load") {
			p.wantUser("user-ada") // reading is enough
		} else if a.problem(t).Code != "store_unavailable" || a.Header["Www-Authenticate"] != nil {
			t.Errorf("%s: a request: %d %v", what, a.StatusCode, a.Header)
		} else {
			w.wantUnavailable(what+": a request", a)
		}
		noTrouble()
		p.refreshSoon(t)
		p.wantUser("user-ada")
		p.exchange(code)
		p.wantUser("user-ada")
	}
}

// The secret is in the store, too, where none is configured.
func TestProgramsWhileTheSecretIsOutOfReach(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site(programOptions), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	p := w.program().signedInBy(b)
	w.load(w.caddyfile("respond gone"))
	trouble(t, func(context.Context, string) error { return errors.New("connection refused by the storage") })
	w.loadJSON(config)
	r := b.request(http.MethodPost, "/zoom_pkce/oauth/register", "Content-Type", "application/json")
	setBody(r, `{"redirect_uris":["http://127.0.0.1/callback"]}`)
	for what, a := range map[string]answer{
		"registering":     p.send(r),
		"a refresh token": p.refreshed(),
		"revoking":        p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {p.id}}),
	} {
		w.wantUnavailable(what, a)
		wantOAuthError(t, what, a, http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	w.wantUnavailable("a request", p.call(http.MethodGet, "/"))
	noTrouble()
	p.refreshSoon(t)
	p.wantUser("user-ada")
}

// A press of a button that could not be kept can be repeated.
func TestConsentWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site(programOptions, "session {\nsync_interval 100ms\n}", secrets(oldSecret)), w.onTestStorage)
	w.loadJSON(config)
	b, p := w.signedIn("user-ada"), w.program()
	page := b.open(p.request())
	for _, broken := range []string{"store", "load"} {
		trouble(t, func(_ context.Context, operation string) error {
			if operation == broken {
				return syscall.EIO
			}
			return nil
		})
		wantRefusal(t, b.pressConsent(page, "allow"), "store_unavailable")
		noTrouble()
	}
	var a answer
	testkit.Eventually(t, "the store to be asked again", 15*time.Second, func() bool {
		a = b.pressConsent(page, "allow")
		return a.StatusCode != http.StatusServiceUnavailable
	})
	p.exchange(p.redirected(a).Get("code"))
	p.wantUser("user-ada")

	trouble(t, func(context.Context, string) error { return syscall.EIO })
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"} {
		if a := b.fetch(http.MethodGet, path); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	w.load(w.caddyfile("respond gone"))
	w.loadJSON(config)
	wantRefusal(t, b.open("/zoom_pkce/programs"), "store_unavailable")
	wantRefusal(t, b.open(p.request()), "store_unavailable")
}

// Clients try again in another way, so that what is refused has spent nothing.
func TestRefusedRequestsOfProgramsSpendNothing(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	b := w.signedIn("user-ada")
	p := w.program().signedInBy(b)
	code := p.redirected(b.pressConsent(b.open(p.request()), "allow")).Get("code")

	type refusal struct {
		status int
		code   string
		form   url.Values
		header []string
	}
	changes := func(form url.Values, change ...string) url.Values {
		changed := url.Values{}
		for name, values := range form {
			changed[name] = append([]string(nil), values...)
		}
		for i := 0; i+1 < len(change); i += 2 {
			changed.Set(change[i], change[i+1])
		}
		return changed
	}
	repeated := func(form url.Values, name string) url.Values {
		form = changes(form)
		form.Add(name, form.Get(name))
		return form
	}
	refused := map[string]refusal{
		"a code with another redirect URI": {400, "invalid_grant", changes(p.codeForm(code), "redirect_uri", "http://127.0.0.1:49153/callback"), nil},
		"a code without redirect URI":      {400, "invalid_request", changes(p.codeForm(code), "redirect_uri", ""), nil},
		"a code with another verifier":     {400, "invalid_grant", changes(p.codeForm(code), "code_verifier", strings.Repeat("x", 43)), nil},
		"a code without verifier":          {400, "invalid_request", changes(p.codeForm(code), "code_verifier", ""), nil},
	}
	for name, form := range map[string]url.Values{"a code": p.codeForm(code), "a refresh token": p.refreshForm()} {
		refused[name+" of another client"] = refusal{400, "invalid_grant", changes(form, "client_id", "phone"), nil}
		refused[name+" of an unknown client"] = refusal{401, "invalid_client", changes(form, "client_id", "nobody"), nil}
		refused[name+" of no client"] = refusal{400, "invalid_request", changes(form, "client_id", ""), nil}
		refused[name+" of a client with a secret"] = refusal{401, "invalid_client", changes(form, "client_secret", "s"), nil}
		refused[name+" with a secret as Basic"] = refusal{401, "invalid_client", form, []string{"Authorization", "Basic Y2xpOnNlY3JldA=="}}
		refused[name+" for another resource"] = refusal{400, "invalid_target", changes(form, "resource", "https://evil.example/"), nil}
		refused[name+" for an unknown grant"] = refusal{400, "unsupported_grant_type", changes(form, "grant_type", "password"), nil}
		refused[name+" as JSON"] = refusal{400, "invalid_request", form, []string{"Content-Type", "application/json"}}
		refused[name+" in 1 MB"] = refusal{400, "invalid_request", changes(form, "padding", strings.Repeat("x", 1<<20)), nil}
		for parameter := range form {
			refused[name+" with "+parameter+" twice"] = refusal{400, "invalid_request", repeated(form, parameter), nil}
		}
	}
	for name, r := range refused {
		wantOAuthError(t, name, p.post("oauth/token", r.form, r.header...), r.status, r.code)
	}
	for name, form := range map[string]url.Values{"a code": p.codeForm(code), "a refresh token": p.refreshForm()} {
		a := p.send(b.request(http.MethodGet, "/zoom_pkce/oauth/token?"+form.Encode()))
		wantOAuthError(t, name+" in the address", a, http.StatusMethodNotAllowed, "invalid_request")
	}
	p.wantUser("user-ada")
	p.takeTokens(p.refreshed())
	p.wantUser("user-ada")
	p.exchange(code)
	p.wantUser("user-ada")
}
