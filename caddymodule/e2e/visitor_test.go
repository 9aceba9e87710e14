package e2e

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
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
	return b.read(resp)
}

// read reads an answer that another client got.
func (b *browser) read(resp *http.Response) answer {
	b.w.t.Helper()
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

// post sends JSON as the page's own script does. A header given replaces one of
// such a request.
func (b *browser) post(endpoint, body string, header ...string) answer {
	b.w.t.Helper()
	r := b.request(http.MethodPost, "/zoom_pkce/"+endpoint, append([]string{
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Origin", b.origin,
		"Content-Type", "application/json",
	}, header...)...)
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(body))
	return b.do(r)
}

var navigateSameOrigin = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin"}
