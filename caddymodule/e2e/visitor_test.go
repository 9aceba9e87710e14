package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// browser keeps cookies as a browser does, and follows no redirect by itself.
type browser struct {
	w      *world
	origin string
	client *http.Client
	jar    http.CookieJar
}

func (w *world) browser() *browser { return w.browserAt(w.url) }

// browserAt is a browser at a site that Caddy serves by plain http for a load
// balancer that ends TLS.
func (w *world) browserAt(origin string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{w: w, origin: origin, jar: jar}
	b.client = &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		Transport:     loadBalancer{w.addr},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// loadBalancer takes requests for any https host to Caddy.
type loadBalancer struct{ addr string }

var direct = &http.Transport{DisableKeepAlives: true}

func (l loadBalancer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Scheme, r.URL.Host = "http", l.addr
	return direct.RoundTrip(r)
}

func (b *browser) do(r *http.Request) answer {
	b.w.t.Helper()
	resp, err := doAgain(b.client, r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// doAgain does what a client does whose connection is closed instead of
// answered. During a reload net/http closes connections whose request it has
// read after Shutdown, before any handler sees it, whatever Caddy serves.
func doAgain(client *http.Client, r *http.Request) (resp *http.Response, err error) {
	for range 5 {
		resp, err = client.Do(r)
		lost := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
		if !lost || r.Body != nil && r.GetBody == nil {
			break
		}
		if r.GetBody != nil {
			r.Body, _ = r.GetBody()
		}
	}
	return resp, err
}

func (b *browser) request(method, target string, header ...string) *http.Request {
	b.w.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.origin + target
	}
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

var navigate = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html"}

// open loads a page, as by typing its address. A header given replaces one of
// a page load.
func (b *browser) open(target string, header ...string) answer {
	b.w.t.Helper()
	return b.do(b.request(http.MethodGet, target, append(append([]string{}, navigate...), header...)...))
}

// fetch is a request of the page's own script.
func (b *browser) fetch(method, target string, header ...string) answer {
	b.w.t.Helper()
	return b.do(b.request(method, target, append([]string{
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Origin", b.origin,
	}, header...)...))
}

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
