package zoompkce_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/returnurl"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func (p *process) beginAt(b *browser, req zoompkce.LoginRequest) *zoompkce.Login {
	p.Helper()
	if req.RedirectURI == "" {
		req.RedirectURI = callbackURI
	}
	l, cookies, err := p.BeginLogin(ctx, b.header(), req)
	if err != nil {
		p.Fatal(err)
	}
	b.set(cookies...)
	return l
}

func stateOf(l *zoompkce.Login) string {
	_, state := l.InClientChallenge()
	return state
}

func TestLoginIsFoundAgain(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := newBrowser()
		began := time.Now()
		l := p.beginAt(b, zoompkce.LoginRequest{ReturnURL: "/a?b=c&d", Restarted: true})
		u, err := url.Parse(p.AuthorizeURL(l))
		if err != nil {
			w.Fatal(err)
		}
		query := u.Query()
		if query.Get("code_challenge_method") != "S256" || query.Get("state") != stateOf(l) || query.Get("redirect_uri") != callbackURI {
			w.Errorf("%s", u)
		}
		found, err := q.PendingLogin(ctx, b.header(), zoompkce.BrowserFlow, query.Get("state"))
		if err != nil {
			w.Fatal(err)
		}
		if found.ReturnURL != "/a?b=c&d" || found.RedirectURI != callbackURI || !found.Restarted || !found.Started.Equal(began) || found.Flow != zoompkce.BrowserFlow {
			w.Errorf("%+v", found)
		}
		challenge, _ := found.InClientChallenge()
		if verifier, _ := l.InClientChallenge(); challenge != verifier || len(verifier) != 43 {
			w.Errorf("verifier %q", verifier)
		}
		b.set(q.DropLogin(found))
		if len(b.cookies) != 0 {
			w.Error("the login cookie is still there")
		}
	})
}

func TestLoginIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		state := stateOf(p.beginAt(b, zoompkce.LoginRequest{}))
		name, value := "", ""
		for n, v := range b.cookies {
			name, value = n, v
		}
		pending := func(p *process, flow zoompkce.Flow, state string, cookies ...string) error {
			_, err := p.PendingLogin(ctx, cookies, flow, state)
			return err
		}
		if err := pending(p, zoompkce.BrowserFlow, state, name+"=garbage; "+name+"="+value); err != nil {
			w.Errorf("beside a cookie of the same name: %v", err)
		}
		session := p.signIn("ada").cookies[p.SessionCookieName()]
		inApp := newBrowser()
		appState := stateOf(p.beginAt(inApp, zoompkce.LoginRequest{Flow: zoompkce.AppFlow}))
		other := w.process(func(c *zoompkce.ManagerConfig) {
			client, err := zoomapi.NewClient(zoomapi.Config{ClientID: "another", OAuthURL: w.zoom.URL})
			if err != nil {
				w.Fatal(err)
			}
			c.Client = client
		})
		otherName := strings.Replace(name, p.SessionCookieName(), other.SessionCookieName(), 1)
		for what, err := range map[string]error{
			"no cookie":            pending(p, zoompkce.BrowserFlow, state),
			"another state":        pending(p, zoompkce.BrowserFlow, flip(state, 0), name+"="+value),
			"no state":             pending(p, zoompkce.BrowserFlow, "", name+"="+value),
			"the other flow":       pending(p, zoompkce.AppFlow, state, name+"="+value),
			"in the app's name":    pending(p, zoompkce.AppFlow, state, p.SessionCookieName()+"_app="+value),
			"app to browser":       pending(p, zoompkce.BrowserFlow, appState, inApp.header()...),
			"another secret":       pending(w.process(secrets(secondSecret)), zoompkce.BrowserFlow, state, name+"="+value),
			"another app":          pending(other, zoompkce.BrowserFlow, state, otherName+"="+value),
			"a session cookie":     pending(p, zoompkce.BrowserFlow, state, name+"="+session),
			"the cookie is longer": pending(p, zoompkce.BrowserFlow, state, name+"="+value+"A"),
		} {
			if !errors.Is(err, zoompkce.ErrLoginUnknown) {
				w.Errorf("%s: %v", what, err)
			}
		}
		for what, cookie := range map[string]string{"a login cookie": value, "one of a login, cut": value[:200]} {
			if _, err := p.Session(ctx, []string{p.SessionCookieName() + "=" + cookie}); err == nil {
				w.Errorf("%s is a session", what)
			}
		}
		// In the app the state may be missing: there is one attempt at a time.
		if err := pending(p, zoompkce.AppFlow, "", inApp.header()...); err != nil {
			w.Error(err)
		}
		if err := pending(p, zoompkce.AppFlow, "wrong", inApp.header()...); !errors.Is(err, zoompkce.ErrLoginUnknown) {
			w.Error(err)
		}

		// Another jar of the browser may have kept an older one.
		newer := newBrowser()
		newerState := stateOf(p.beginAt(newer, zoompkce.LoginRequest{Flow: zoompkce.AppFlow}))
		if err := pending(p, zoompkce.AppFlow, newerState, append(inApp.header(), newer.header()...)...); err != nil {
			w.Errorf("behind an older one: %v", err)
		}

		time.Sleep(10 * time.Minute)
		if err := pending(p, zoompkce.BrowserFlow, state, name+"="+value); err != nil {
			w.Errorf("after ten minutes: %v", err)
		}
		time.Sleep(time.Second)
		l, err := p.PendingLogin(ctx, []string{name + "=" + value}, zoompkce.BrowserFlow, state)
		if l == nil || !errors.Is(err, zoompkce.ErrLoginExpired) {
			w.Errorf("expired inside, though the browser has it yet: %v", err)
		}
	})
}

func TestLoginCookiesAreBounded(t *testing.T) {
	for name, returnURL := range map[string]string{
		"short": "/", "1,024 bytes": "/" + strings.Repeat("a", 1023), "ampersands": "/?" + strings.Repeat("&<>", 340),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := newBrowser()
				b.cookies[p.SessionCookieName()+"_0123abcd"] = "garbage"
				b.cookies[p.SessionCookieName()+"_other"] = "not a login"
				b.cookies["foreign"] = strings.Repeat("x", 8000)
				var states []string
				for n := range 40 {
					states = append(states, stateOf(p.beginAt(b, zoompkce.LoginRequest{ReturnURL: returnURL})))
					count, size := 0, 0
					for name, value := range b.cookies {
						if len(value) > 4000 && name != "foreign" {
							w.Errorf("a cookie of %d bytes", len(value))
						}
						if p.OwnsCookie(name) && !strings.HasSuffix(name, "_other") {
							count, size = count+1, size+len(name)+len(value)+3
						}
					}
					if count > 12 || size > 6*1024 || count == 0 {
						w.Fatalf("after %d logins: %d cookies, %d bytes", n+1, count, size)
					}
					time.Sleep(time.Second)
				}
				if len(b.cookies) < 3 || b.cookies["foreign"] == "" || b.cookies[p.SessionCookieName()+"_other"] == "" {
					w.Errorf("%d cookies", len(b.cookies))
				}
				// The oldest go first.
				gone := true
				for i, state := range states {
					_, err := p.PendingLogin(ctx, b.header(), zoompkce.BrowserFlow, state)
					if err == nil {
						gone = false
					} else if !gone {
						w.Errorf("login %d is gone, an older one is not", i)
					}
				}
			})
		})
	}
}

// A browser that restores its tabs begins a dozen logins at once.
func TestTwelveLogins(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.Cookies.Prefix = "z" })
		b := p.signIn("ada")
		for _, other := range []string{"_abcd", "_not-hexa"} {
			b.cookies[p.SessionCookieName()+other] = "not a login's"
		}
		others := len(b.cookies)
		for n := range 15 {
			p.beginAt(b, zoompkce.LoginRequest{RedirectURI: "https://a/"})
			if got, want := len(b.cookies)-others, min(n+1, 12); got != want {
				w.Errorf("after %d: %d, want %d", n+1, got, want)
			}
		}
	})
}

func TestStateTellsOfARestart(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		restarted := stateOf(p.beginAt(newBrowser(), zoompkce.LoginRequest{Restarted: true}))
		first := stateOf(p.beginAt(newBrowser(), zoompkce.LoginRequest{}))
		for state, want := range map[string]bool{
			restarted: true, first: false, "": false, "garbage": false,
			restarted[:len(restarted)-1]:               false,
			flip(restarted, 3):                         false,
			flip(restarted, 60):                        false,
			restarted + "A":                            false,
			strings.Repeat("A", len(restarted)):        false,
			restarted[:len(restarted)-1] + "\x00":      false,
			strings.Repeat(restarted, 1000):            false,
			first[:42] + restarted[42:44] + first[44:]: false,
		} {
			got, err := p.StateRestarted(ctx, state)
			if got != want || err != nil {
				w.Errorf("%.80q: %v, %v", state, got, err)
			}
		}
		if got, _ := w.process(secrets(secondSecret)).StateRestarted(ctx, restarted); got {
			w.Error("another secret's mark is believed")
		}
		if got, _ := w.process(secrets(secondSecret, firstSecret)).StateRestarted(ctx, restarted); !got {
			w.Error("a mark does not survive a rotation")
		}
		for range 3000 { // a byte of chance in the mark's place would be one now and then
			if got, _ := p.StateRestarted(ctx, stateOf(p.beginAt(newBrowser(), zoompkce.LoginRequest{}))); got {
				w.Fatal("a first login passes for a restarted one")
			}
		}
		if got := len(stateOf(p.beginAt(newBrowser(), zoompkce.LoginRequest{}))); got != 66 {
			w.Errorf("%d characters", got)
		}
	})
}

func flip(s string, i int) string {
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

func TestCookieAttributes(t *testing.T) {
	bubble(t, func(w *world) {
		for _, test := range []struct {
			config zoompkce.CookieConfig
			prefix string
			want   http.Cookie
		}{
			{zoompkce.CookieConfig{}, "__Host-zoom_pkce_", http.Cookie{Secure: true, SameSite: http.SameSiteLaxMode}},
			{
				zoompkce.CookieConfig{Domain: "example.com", Prefix: "zz"},
				"__Secure-zz_",
				http.Cookie{Domain: "example.com", Secure: true, SameSite: http.SameSiteLaxMode},
			},
			{zoompkce.CookieConfig{Insecure: true}, "zoom_pkce_", http.Cookie{SameSite: http.SameSiteLaxMode}},
			{
				zoompkce.CookieConfig{SameSiteNone: true},
				"__Host-zoom_pkce_",
				http.Cookie{Secure: true, SameSite: http.SameSiteNoneMode, Partitioned: true},
			},
		} {
			p := w.process(func(c *zoompkce.ManagerConfig) { c.Cookies = test.config })
			b := newBrowser()
			l, set, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI})
			if err != nil {
				w.Fatal(err)
			}
			l0 := set[0]
			b.set(set...)
			in, err := p.SignIn(ctx, l, p.consent(l, "ada"), nil)
			if err != nil {
				w.Fatal(err)
			}
			b.set(in.Cookie)
			set = append(set, in.Cookie, p.Cookie("x", "1", time.Minute), p.DropLogin(l))
			set = append(set, p.ClearCookies(append(b.header(), b.header()[0], "foreign=1"))...)
			if deleted := map[string]bool{set[4].Name: true, set[5].Name: true}; len(deleted) != 2 || !deleted[l0.Name] || !deleted[p.SessionCookieName()] {
				w.Errorf("deleted: %v", deleted)
			}
			if login := set[0].MaxAge; login != 600 || in.Cookie.MaxAge != 24*60*60 {
				w.Errorf("they live for %d s and %d s", login, in.Cookie.MaxAge)
			}
			if len(set) != 6 {
				w.Errorf("%d cookies", len(set))
			}
			for i, c := range set {
				want := test.want
				want.Name, want.Value, want.MaxAge, want.Path, want.HttpOnly = c.Name, c.Value, c.MaxAge, "/", true
				if fmt.Sprint(*c) != fmt.Sprint(want) || !strings.HasPrefix(c.Name, test.prefix) || !p.OwnsCookie(c.Name) {
					w.Errorf("%+v, want %+v", *c, want)
				}
				if deletes := i > 2; deletes != (c.MaxAge < 0 && c.Value == "") {
					w.Errorf("cookie %d: %+v", i, *c)
				}
			}
			if p.OwnsCookie("foreign") || p.OwnsCookie(p.SessionCookieName()+"x") || p.OwnsCookie(test.prefix) {
				w.Error("foreign cookies are claimed")
			}
			b.set(p.Cookie("note", "42", time.Minute))
			if got := p.CookieValue(b.header(), "note"); got != "42" || p.CookieValue(nil, "note") != "" {
				w.Errorf("%q", got)
			}
			if got := p.CookieValue([]string{p.SessionCookieName() + "_note"}, "note"); got != "" {
				w.Errorf("of a name alone: %q", got)
			}
		}
	})
}

// A cookie lives for whole seconds, and not for one less: 0 would be its deletion.
func TestCookieLife(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for life, want := range map[time.Duration]int{
			-time.Hour: -1, 0: -1, 1: 1, time.Second: 1, time.Second + 1: 2, time.Minute: 60,
		} {
			if got := p.Cookie("x", "1", life).MaxAge; got != want {
				w.Errorf("for %v: Max-Age %d, want %d", life, got, want)
			}
		}
	})
}

// What no browser would keep (RFC 6265, section 6.1) is an error at once, and not a login
// that is never found again. No return URL is, whatever its characters take.
func TestLoginThatFitsNoCookie(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		for length := range 2200 {
			_, cookies, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{
				Flow: zoompkce.ProgramFlow, RedirectURI: callbackURI, ReturnURL: "/", Program: strings.Repeat("a", length),
			})
			if err != nil && (!errors.Is(err, zoompkce.ErrLongLogin) || length <= 1300) {
				w.Fatalf("%d bytes: %v", length, err)
			}
			if err == nil && len(cookies[0].Name)+len(cookies[0].Value) > 4096 {
				w.Fatalf("%d bytes: a cookie of %d", length, len(cookies[0].Name)+len(cookies[0].Value))
			}
		}
		req := zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/" + strings.Repeat("a", 4096)}
		if _, cookies, err := p.BeginLogin(ctx, nil, req); !errors.Is(err, zoompkce.ErrLongLogin) {
			w.Errorf("%d cookies, %v", len(cookies), err)
		}
		for _, character := range []string{"a", `"`, `\`, "é", "<", "&", "%"} {
			for length := 900; length < 1100; length++ {
				req.ReturnURL = returnurl.Of(&url.URL{Path: "/", RawQuery: strings.Repeat(character, length)})
				if _, _, err := p.BeginLogin(ctx, nil, req); err != nil {
					w.Fatalf("%d of %s: %v", length, character, err)
				}
			}
		}
	})
}

// A login is used once: who sends its cookie again costs no call to Zoom.
func TestLoginIsUsedOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		l, _ := p.begin(b, "ada")
		w.zoom.ResetCounts()
		for range 50 {
			if _, err := p.SignIn(ctx, mustFind(p, b, l), "a guess", nil); zoomapi.KindOf(err) != zoomapi.KindInvalidGrant {
				w.Fatal(err)
			}
		}
		w.calls(zoomtest.CallCode, 1)

		// One that failed before may be tried again.
		l, code := p.begin(b, "ada")
		w.store.fail("trial", 1)
		w.codeUnused(p.finish(b, l, code))
		w.must(p.finish(b, mustFind(p, b, l), code))
	})
}
