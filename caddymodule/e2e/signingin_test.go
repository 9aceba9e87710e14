package e2e

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// signIn opens a page, goes through Zoom as the user, and returns what the
// visitor sees at last.
func (b *browser) signIn(target, userID string) answer {
	b.w.t.Helper()
	callback := b.consent(b.open(target), userID)
	a := b.open(callback)
	if a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("callback: got %d, want 303\n%s", a.StatusCode, a.body)
	}
	return b.open(a.Header.Get("Location"))
}

// consent does at Zoom what a person does there, and returns the way back.
func (b *browser) consent(a answer, userID string) (callback string) {
	b.w.t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, b.w.zoom.URL+"/oauth/authorize") {
		b.w.t.Fatalf("got %d to %q, want a redirect to Zoom\n%s", a.StatusCode, location, a.body)
	}
	callback, err := b.w.zoom.SignIn(context.Background(), location, userID)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return callback
}

// cookies are the names of the cookies the browser has for Caddy.
func (b *browser) cookies() (names []string) {
	u, err := url.Parse(b.origin)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return names
}

// sessionCookie is the session cookie as a Cookie header.
func (b *browser) sessionCookie() string {
	b.w.t.Helper()
	u, err := url.Parse(b.origin)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		if _, rest, _ := strings.Cut(c.Name, "zoom_pkce_"); len(rest) == 8 {
			return c.Name + "=" + c.Value
		}
	}
	b.w.t.Fatalf("no session cookie among %q", b.cookies())
	return ""
}

// consentAndReturn signs in without looking at the page it ends on.
func (b *browser) consentAndReturn(target, userID string) {
	b.w.t.Helper()
	b.open(b.consent(b.open(target), userID))
}

// signedIn is a browser of a user who has signed in.
func (w *world) signedIn(userID string) *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.signIn("/", userID); a.StatusCode != http.StatusOK {
		w.t.Fatalf("signing in: got %d\n%s", a.StatusCode, a.body)
	}
	return b
}

// wantUser checks that a page load arrives upstream as the user's.
func (b *browser) wantUser(userID string) {
	b.w.t.Helper()
	a := b.open("/")
	if a.StatusCode != http.StatusOK {
		b.w.t.Fatalf("got %d to %q, want the page of %s\n%s", a.StatusCode, a.Header.Get("Location"), userID, a.body)
	}
	if got := a.received(b.w.t).Header.Get("X-Zoom-User-Id"); got != userID {
		b.w.t.Fatalf("the request arrived as %q, want %s", got, userID)
	}
}

// wantSignedOut checks that a page load is sent to Zoom.
func (b *browser) wantSignedOut() {
	b.w.t.Helper()
	if a := b.open("/"); a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("got %d, want a redirect to Zoom\n%s", a.StatusCode, a.body)
	}
}

// cookieLine is the browser's Cookie header.
func (b *browser) cookieLine() string {
	r := b.request(http.MethodGet, "/")
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r.Header.Get("Cookie")
}
