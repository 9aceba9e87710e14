package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// sessionCookieOf is the session cookie that an answer sets, if it does.
func (w *world) sessionCookieOf(a answer) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == w.sessionCookieName() && c.MaxAge >= 0 {
			return c
		}
	}
	return nil
}

// restart stops Caddy and starts it again, which then remembers nothing.
func (w *world) restart(caddyfile string) {
	w.t.Helper()
	if err := caddy.Stop(); err != nil {
		w.t.Fatal(err)
	}
	w.load(caddyfile)
}

func TestRestartKeepsSessionsAndLogins(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b, pending := w.signedIn("user-ada"), w.browser()
	callback := pending.consent(pending.open("/pending"), "user-bob")
	w.restart(w.site())
	b.wantUser("user-ada")
	if a := pending.open(callback); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/pending" {
		t.Errorf("a login that was pending during the restart: got %d\n%s", a.StatusCode, a.body)
	}
	for call, want := range map[zoomtest.Call]int{zoomtest.CallCode: 2, zoomtest.CallRefresh: 0} {
		if n := w.zoom.Count(call); n != want {
			t.Errorf("%v: %d calls, want %d", call, n, want)
		}
	}
}

func TestSessionCookieOfLongUserIDs(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	long := strings.Repeat("u", 200)
	w.zoom.AddUser(zoomtest.User{ID: long})
	for _, user := range []string{"user-ada", long} {
		b := w.browser()
		a := b.open(b.consent(b.open("/"), user))
		c := w.sessionCookieOf(a)
		if c == nil {
			t.Fatalf("no session cookie for %s", user)
		}
		if len(c.Value) > 256 {
			t.Errorf("the session cookie of a user id of %d bytes has %d bytes, want 256 at most", len(user), len(c.Value))
		}
		b.wantUser(user)
	}
}

// TestSessionTimes: the times inside the cookie count, whatever the browser
// keeps, and whether or not the session is in memory.
func TestSessionTimes(t *testing.T) {
	w := newWorld(t)
	site := w.site("session {\nidle_timeout 1s\nmax_lifetime 3s\n}")
	w.load(site)
	idle, used := w.signedIn("user-ada"), w.browser()
	began := time.Now()
	used.signIn("/", "user-bob")
	first := used.cookieLine()
	reissued := 0
	for time.Since(began) < 2500*time.Millisecond {
		time.Sleep(200 * time.Millisecond)
		a := used.open("/")
		if a.StatusCode != http.StatusOK {
			t.Fatalf("a session that is used ended after %s: got %d", time.Since(began), a.StatusCode)
		}
		if w.sessionCookieOf(a) != nil {
			reissued++
		}
	}
	if reissued == 0 {
		t.Error("the session cookie was never issued again")
	}
	idle.wantSignedOut()
	// The first cookie, which a client may keep for ever, is as old as it says.
	if err := hit(plain, w.url, first, "user-bob"); err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("the first cookie of a session, unused: %v", err)
	}
	last := used.cookieLine()
	time.Sleep(time.Until(began.Add(3100 * time.Millisecond)))
	if err := hit(plain, w.url, last, "user-bob"); err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("a session beyond max_lifetime: %v", err)
	}
}

func TestMaxSessions(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("session {\nmax_sessions 3\n}"))
	var browsers []*browser
	for range 5 {
		browsers = append(browsers, w.signedIn("user-ada"))
		time.Sleep(5 * time.Millisecond)
	}
	var open []int
	for i, b := range browsers {
		if b.open("/").StatusCode == http.StatusOK {
			open = append(open, i)
		}
	}
	if !slices.Equal(open, []int{2, 3, 4}) {
		t.Errorf("the sessions %v are open, want the last three", open)
	}
}

// TestDamagedRecords: what cannot be opened is trouble, never "signed out", and
// stays as it is.
func TestDamagedRecords(t *testing.T) {
	w := newWorld(t)
	w.zoom.KeepOlderSignIns = true // or sign-ins that fail would end the tokens in the records
	site := w.site()
	w.load(site)
	ada, bob := w.signedIn("user-ada"), w.signedIn("user-bob")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	var records []string
	if err := filepath.WalkDir(w.storage, func(path string, entry os.DirEntry, err error) error {
		// Beside them lies the record by which a sign-in finds out whether it can be saved.
		if err == nil && len(entry.Name()) == 64 && !strings.HasSuffix(string(readFile(t, path)), "trial") {
			records = append(records, path)
		}
		return err
	}); err != nil || len(records) != 2 {
		t.Fatalf("records %v, %v", records, err)
	}
	// Somebody who can write to the storage exchanges two records.
	first, second := readFile(t, records[0]), readFile(t, records[1])
	overwrite(t, records[0], second)
	overwrite(t, records[1], first)
	w.load(site)
	for _, b := range []*browser{ada, bob} {
		w.wantUnavailable("a visitor whose record is another's", b.open("/"))
	}
	// Half of a record is none.
	overwrite(t, records[0], first[:len(first)/2])
	overwrite(t, records[1], second[:len(second)/2])
	w.restart(site)
	for _, b := range []*browser{ada, bob} {
		w.wantUnavailable("a visitor whose record is damaged", b.open("/"))
		w.wantUnavailable("a new sign-in", func() answer {
			n := w.browser()
			return n.open(n.consent(n.open("/"), "user-ada"))
		}())
	}
	if got := readFile(t, records[0]); len(got) != len(first)/2 {
		t.Error("a record that cannot be opened was overwritten")
	}
	overwrite(t, records[0], first)
	overwrite(t, records[1], second)
	w.restart(site)
	ada.wantUser("user-ada")
	bob.wantUser("user-bob")
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func overwrite(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
