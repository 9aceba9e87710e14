package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// loseSession makes the browser forget its session, as one does that refuses
// that cookie and takes the others.
func (b *browser) loseSession() {
	name, _, _ := strings.Cut(b.sessionCookie(), "=")
	u := b.request("GET", "/").URL
	b.jar.SetCookies(u, []*http.Cookie{{Name: name, Path: "/", MaxAge: -1}})
}

// goesRound opens a page whose sign-in comes back to it, and loses the session each time.
func (b *browser) goesRound(t *testing.T, page string) {
	t.Helper()
	for round := 1; ; round++ {
		a := b.open(page)
		if a.StatusCode == http.StatusTooManyRequests {
			if round != 7 {
				t.Errorf("%s: stopped in round %d, want 7: after more than 5 lost sign-ins", page, round)
			}
			return
		}
		if round == 20 {
			t.Fatalf("%s: goes round for ever", page)
		}
		wantRedirect(t, b.open(b.consent(a, "user-ada")), page)
		b.loseSession()
	}
}

// A request of a program comes back from each sign-in, too.
func TestProgramRequestIsNoLoop(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("programs {\nclient cli http://127.0.0.1/callback\n}"))
	w.browser().goesRound(t, w.program().request())
}

func TestLoopBreaker(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	for round := 1; ; round++ {
		a := b.open("/page")
		if a.StatusCode == http.StatusTooManyRequests {
			wantRefusal(t, a, "too_many_logins")
			if round != 7 {
				t.Errorf("stopped in round %d, want 7: after more than 5 lost sign-ins", round)
			}
			if len(a.Header["Set-Cookie"]) != 0 {
				t.Errorf("cookies: %q", a.Header["Set-Cookie"])
			}
			break
		}
		if round == 20 {
			t.Fatal("goes round for ever")
		}
		wantRedirect(t, b.open(b.consent(a, "user-ada")), "/page")
		b.loseSession()
	}
	if a := b.open("/page"); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the next page load: got %d", a.StatusCode)
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 6 {
		t.Errorf("%d exchanges", n)
	}
	// The button tries again, and a browser that keeps cookies by then is in.
	if got := b.signIn("/zoom_pkce/login?return_to=/page", "user-ada"); got.StatusCode != http.StatusOK {
		t.Errorf("got %d", got.StatusCode)
	}
}

// Many sign-ins are no loop while the sessions hold.
func TestManySignInsAreNoLoop(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	for range 10 {
		if a := b.signIn("/zoom_pkce/login?return_to=/page", "user-ada"); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d\n%s", a.StatusCode, a.body)
		}
	}
	for range 10 {
		if a := b.fetch("POST", "/zoom_pkce/logout"); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("signing out: %d", a.StatusCode)
		}
		if a := b.signIn("/page", "user-ada"); a.StatusCode != http.StatusOK {
			t.Fatalf("got %d\n%s", a.StatusCode, a.body)
		}
	}
}

func TestLoopCookie(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	name := strings.SplitN(w.loginCookieName(), "_", 4)
	loop := strings.Join(name[:3], "_") + "_loop="
	// Since when, how many sign-ins, and how many of their sessions were lost.
	count := func(began time.Duration, counts string) string {
		return fmt.Sprintf("%d.%s", time.Now().Add(began).Unix(), counts)
	}
	for value, want := range map[string]int{
		count(0, "6.5"):               http.StatusTooManyRequests,
		count(0, "5.5"):               http.StatusSeeOther,
		count(-31*time.Second, "9.8"): http.StatusSeeOther,
		count(time.Hour, "9.8"):       http.StatusSeeOther,
		"":                            http.StatusSeeOther,
		"nonsense":                    http.StatusSeeOther,
		"1e300.9.8":                   http.StatusSeeOther,
		"-1.-1.-1":                    http.StatusSeeOther,
		strings.Repeat("9", 4000):     http.StatusSeeOther,
	} {
		if a := w.browser().open("/", "Cookie", loop+value); a.StatusCode != want {
			t.Errorf("%.40q: got %d, want %d", value, a.StatusCode, want)
		}
	}
}

func (w *world) loginCookieName() string {
	return w.browser().open("/").Cookies()[0].Name
}
