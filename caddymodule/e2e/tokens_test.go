package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const tokenHeader = "X-Zoom-Access-Token"

// A ZAK or an OBF token that Zoom refused to a dead access token comes with the
// access token that took its place.
func TestARequestThatFindsItsTokenDeadCarriesTheNextOne(t *testing.T) {
	for name, option := range map[string]string{
		"ZAK": "zak {\nmax_age 0\n}",
		"OBF": "zak off\nobf {\nmeeting_id 123456789\n}",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site(option))
			b := w.browser()
			b.signIn("/", "user-ada")
			w.zoom.RevokeAccessTokens(testClientID, "user-ada")
			got := b.open("/").received(t).Header
			if _, user, ok := w.zoom.ValidateAccessToken(got.Get(tokenHeader)); !ok || user != "user-ada" {
				t.Error("the request carries a dead access token")
			}
			if got.Get(zakHeader) == "" && got.Get("X-Zoom-Obf") == "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// wordOfTheApp is an app that says when Zoom refuses the token of a request, in
// the way that a path asks for.
func (w *world) wordOfTheApp(header, prefix string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		token := r.Header.Get(header)
		if _, _, ok := w.zoom.ValidateAccessToken(token[min(len(prefix), len(token)):]); ok && r.URL.Path != "/lie" {
			fmt.Fprint(rw, "fine")
			return
		}
		field := header + "-Rejected"
		switch r.URL.Path {
		case "/announced":
			rw.Header().Set("Trailer", field)
			defer rw.Header().Set(field, "1")
		case "/trailer":
			rw.(http.Flusher).Flush()
			defer rw.Header().Set(http.TrailerPrefix+field, "1")
		case "/hinted":
			rw.Header().Set(field, "1")
			rw.WriteHeader(http.StatusEarlyHints)
			rw.Header().Del(field)
		case "/flushed":
			rw.Header().Set(field, "1")
			rw.(http.Flusher).Flush()
		case "/socket":
			rw.Header().Set(field, "1")
			rw.Header().Set("Connection", "Upgrade")
			rw.Header().Set("Upgrade", "websocket")
			rw.WriteHeader(http.StatusSwitchingProtocols)
			return
		default:
			rw.Header().Set(field, "1")
			rw.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprint(rw, "refused")
	}
}

func TestTheAppSaysThatZoomRefusesItsToken(t *testing.T) {
	for name, tt := range map[string]struct{ option, header, prefix string }{
		"by default":       {"", tokenHeader, ""},
		"with a name":      {"headers {\naccess_token X-Key\n}", "X-Key", ""},
		"in Authorization": {"headers {\naccess_token Authorization Bearer\n}", "Authorization", "Bearer "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.upstream.serveWith(w.wordOfTheApp(tt.header, tt.prefix))
			w.load(w.site("zak off", tt.option))
			b := w.browser()
			if a := b.signIn("/", "user-ada"); a.body != "fine" {
				t.Fatalf("got %d %s", a.StatusCode, a.body)
			}
			w.zoom.RevokeAccessTokens(testClientID, "user-ada")
			if a := b.open("/"); a.body != "refused" || a.Header[tt.header+"-Rejected"] != nil {
				t.Errorf("got %d %s, %q", a.StatusCode, a.body, a.Header)
			}
			w.awaitWorkingToken(b)
		})
	}
}

// awaitWorkingToken waits for the background to do what the app's word asks for.
func (w *world) awaitWorkingToken(b *browser) {
	w.t.Helper()
	for range 200 {
		if b.open("/").body == "fine" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Error("the token was not refreshed")
}

func TestTheWordAboutATokenNeverLeaves(t *testing.T) {
	const field = tokenHeader + "-Rejected"
	for _, path := range []string{"/", "/flushed", "/announced", "/trailer", "/hinted"} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t)
			w.upstream.serveWith(w.wordOfTheApp(tokenHeader, ""))
			w.load(w.site("zak off"))
			b := w.browser()
			b.signIn("/", "user-ada")
			w.zoom.RevokeAccessTokens(testClientID, "user-ada")
			r := b.request(http.MethodGet, path, navigate...)
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
					if h[field] != nil {
						t.Error("in a 103")
					}
					return nil
				},
			}))
			a := b.do(r)
			if a.body != "refused" || a.Header[field] != nil || a.Trailer[field] != nil {
				t.Errorf("got %d %s, %q, trailer %q", a.StatusCode, a.body, a.Header, a.Trailer)
			}
			w.awaitWorkingToken(b) // it was heard all the same
		})
	}
	t.Run("of a handshake", func(t *testing.T) {
		w := newWorld(t)
		w.upstream.serveWith(w.wordOfTheApp(tokenHeader, ""))
		w.load(w.site("zak off"))
		b := w.browser()
		b.signIn("/", "user-ada")
		w.zoom.RevokeAccessTokens(testClientID, "user-ada")
		c := w.dial()
		c.send("GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: %s\r\n\r\n", w.addr, b.sessionCookie())
		if a := c.response(); a.StatusCode != http.StatusSwitchingProtocols || a.Header[field] != nil {
			t.Errorf("got %d %q", a.StatusCode, a.Header)
		}
		w.endSwitched(c, "/socket")
		w.awaitWorkingToken(b)
	})
}

// With a match the token goes only where it is read, by what was sent as well as by what
// became of it; what a client says in its place, and what the app says of it, goes nowhere.
func TestAccessTokenOnlyWhereItIsRead(t *testing.T) {
	for name, tt := range map[string]struct{ option, header, prefix string }{
		"by a name":        {"access_token X-Key {\nmatch /api/*\nmatch path *.php\n}", "X-Key", ""},
		"in Authorization": {"access_token Authorization Bearer {\nmatch {\npath /api/* *.php\nmethod GET\n}\n}", "Authorization", "Bearer "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.caddyfile("rewrite /front/* /index.php\nrewrite /api/old /style.css\nzoom_pkce {\n" + w.options() +
				"headers {\n" + tt.option + "\n}\n}\nreverse_proxy " + w.upstream.addr))
			b := w.browser()
			b.signIn("/zoom_pkce/login", "user-ada")
			for path, want := range map[string]bool{"/api/1": true, "/front/x": true, "/api/old": true, "/index.php": true, "/": false, "/style.css": false, "/apis": false} {
				got := b.open(path, tt.header, tt.prefix+"forged").received(t).Header
				token, found := strings.CutPrefix(got.Get(tt.header), tt.prefix)
				_, user, known := w.zoom.ValidateAccessToken(token)
				if want && (!found || !known || user != "user-ada") || !want && got[tt.header] != nil || got.Get("X-Zoom-User-Id") != "user-ada" {
					t.Errorf("%s: %q", path, got)
				}
			}
			w.upstream.serveWith(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set(tt.header+"-Rejected", "1") })
			before := w.zoom.Count(zoomtest.CallMe)
			if a := b.open("/style.css"); a.StatusCode != http.StatusOK || a.Header[tt.header+"-Rejected"] != nil {
				t.Errorf("got %d, %q", a.StatusCode, a.Header)
			}
			if n := w.zoom.Count(zoomtest.CallMe) - before; n != 0 {
				t.Errorf("a word about a token that was not given made %d calls", n)
			}
		})
	}
}

// An app can be wrong, or be made to say so by a visitor.
func TestTheWordAboutAGoodTokenCostsOneCall(t *testing.T) {
	w := newWorld(t)
	w.upstream.serveWith(w.wordOfTheApp(tokenHeader, ""))
	w.load(w.site("zak off"))
	b := w.browser()
	b.signIn("/", "user-ada")
	before := w.zoom.Count(zoomtest.CallMe)
	for range 50 {
		if a := b.open("/lie"); a.body != "refused" || a.Header[tokenHeader+"-Rejected"] != nil {
			t.Fatalf("got %d %s, %q", a.StatusCode, a.body, a.Header)
		}
	}
	if n := w.zoom.Count(zoomtest.CallMe) - before; n > 1 {
		t.Errorf("50 answers made %d calls of users/me", n)
	}
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 0 {
		t.Errorf("a good token was refreshed %d times", n)
	}
}

func TestOBFTokensAreHandedOutOnce(t *testing.T) {
	for _, tt := range []struct {
		option string
		calls  int
	}{{"", 4}, {"max_age 0", 4}, {"max_age 1m", 1}} {
		t.Run(tt.option, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("zak off\npage_tokens on\nobf {\nmeeting_id 123456789\n" + tt.option + "\n}"))
			b := w.browser()
			seen := map[string]bool{b.signIn("/", "user-ada").received(t).Header.Get("X-Zoom-Obf"): true}
			seen[b.open("/").received(t).Header.Get("X-Zoom-Obf")] = true
			for range 2 {
				a := b.post("obf", `{"meeting_id":"123456789"}`)
				seen[a.obf(t).Token] = true
			}
			if len(seen) != tt.calls || seen[""] || w.zoom.Count(zoomtest.CallOBF) != tt.calls {
				t.Errorf("%d tokens of %d calls, want %d", len(seen), w.zoom.Count(zoomtest.CallOBF), tt.calls)
			}
		})
	}
}

// Visitors choose how many OBF tokens there are, so each has a share.
func TestOneVisitorsOBFTokensAreNobodyElsesTrouble(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("page_tokens on"))
	ada, bob := w.browser(), w.browser()
	ada.signIn("/", "user-ada")
	bob.signIn("/", "user-bob")
	for i := range 30 {
		ada.post("obf", fmt.Sprintf(`{"meeting_id":"%d"}`, 100000000+i)).obf(t)
	}
	a := ada.post("obf", `{"meeting_id":"123456789"}`)
	if p := a.problem(t); a.StatusCode != http.StatusServiceUnavailable || p.Code != "zoom_rate_limited" || a.Header.Get("Retry-After") == "" {
		t.Errorf("the 31st got %d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
	}
	ada.post("zak", "").zak(t)
	bob.post("obf", `{"meeting_id":"123456789"}`).obf(t)
	if n := w.zoom.Count(zoomtest.CallOBF); n != 31 {
		t.Errorf("%d calls", n)
	}
}
