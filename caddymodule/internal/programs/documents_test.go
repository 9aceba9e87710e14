package programs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const codex = "https://chatgpt.com/oauth/codex/client.json"

// documented is a world that reads documents, by a function.
func documented(t *testing.T, fetch func(id string) (*document, time.Duration, error)) *world {
	w := newWorldWith(t, ClientsConfig{Configured: clients, Registration: true, DocumentHosts: LargeDocumentHosts})
	w.Clients.documents.cache.fetch = living(fetch)
	return w
}

// living has documents live for as long as a function says.
func living(fetch func(id string) (*document, time.Duration, error)) func(context.Context, string) (*document, error) {
	return func(_ context.Context, id string) (*document, error) {
		d, life, err := fetch(id)
		if err == nil {
			d.life = life
		}
		return d, err
	}
}

func TestDocumentClient(t *testing.T) {
	fetched := 0
	w := documented(t, func(id string) (*document, time.Duration, error) {
		fetched++
		return &document{ID: id, Name: "Codex", RedirectURIs: []string{"http://127.0.0.1/callback", "https://evil.example/", "myapp:/"}}, time.Hour, nil
	})
	query := asking("client_id", codex, "redirect_uri", "http://127.0.0.1:49152/callback")

	// Nothing is read, and nothing sent on, for who has not signed in.
	if w.authorize("", query.Encode()); w.signIn != query.Encode() || fetched > 0 {
		t.Errorf("signed out: %q, %d fetched", w.signIn, fetched)
	}
	if rec := w.authorize("", asking("client_id", codex, "redirect_uri", "https://evil.example/", "response_type", "x").Encode()); rec.Header().Get("Location") != "" {
		t.Errorf("sent to %s", rec.Header().Get("Location"))
	}
	rec := w.visit(func(rw http.ResponseWriter) error {
		return w.Declined(rw, httptest.NewRequest("GET", callback, nil), query.Encode())
	})
	if !errors.Is(w.refused, ErrDeclined) || rec.Header().Get("Location") != "" || fetched > 0 {
		t.Errorf("declined at Zoom: %v", w.refused)
	}

	cookie := w.browser()
	w.authorize(cookie, query.Encode())
	for _, words := range []string{"Codex", "unverified", "<code>chatgpt.com</code>", "127.0.0.1:49152"} {
		if !strings.Contains(string(w.page.Main), words) {
			t.Errorf("%q is missing in\n%s", words, w.page.Main)
		}
	}
	tokens := w.token(redemption(w.code(cookie, query), "client_id", codex, "redirect_uri", query.Get("redirect_uri")))
	if tokens.status != 200 || !w.in(tokens.AccessToken) {
		t.Fatalf("%d %s", tokens.status, tokens.Error)
	}
	count := fetched
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {codex}}
	if a := w.token(refresh); a.status != 200 || fetched != count || count != 1 {
		t.Errorf("%d %s, %d fetched", a.status, a.Error, fetched)
	}
	for _, uri := range []string{"https://evil.example/", "myapp:/", "http://127.0.0.1/other"} {
		if w.authorize(cookie, asking("client_id", codex, "redirect_uri", uri).Encode()); !errors.Is(w.refused, ErrBadClient) {
			t.Errorf("%s: %v", uri, w.refused)
		}
	}
	if w.authorize(cookie, asking("client_id", "https://evil.example/client.json").Encode()); !errors.Is(w.refused, ErrBadClient) || fetched != count {
		t.Errorf("a host that is not listed: %v, %d fetched", w.refused, fetched)
	}
	s, err := w.manager.ProgramSession(t.Context(), issuer, tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	program, _ := s.Program()
	for name, c := range map[string]ClientsConfig{"off": {Registration: true}, "another host": {DocumentHosts: []string{"claude.ai"}}} {
		if NewClients(c).Lives(program.Client) {
			t.Errorf("%s: the program lives", name)
		}
	}
	w.Clients = NewClients(ClientsConfig{DocumentHosts: []string{"claude.ai"}})
	if a := w.token(refresh); a.status != 401 || a.Error != invalidClient {
		t.Errorf("refresh when the host is not listed any more: %d %s", a.status, a.Error)
	}
}

// Ids that are not read at all.
func TestDocumentIDs(t *testing.T) {
	c := newDocumentClients([]string{"claude.ai", "127.0.0.1"}, nil)
	for id, good := range map[string]bool{
		"https://claude.ai/oauth/claude-code-client-metadata": true,
		"https://claude.ai/a/":                                true,
		"https://claude.ai":                                   false,
		"https://claude.ai/":                                  false,
		"http://claude.ai/a":                                  false,
		"https://evil.example/a":                              false,
		"https://claude.ai.evil.example/a":                    false,
		"https://evil.example/claude.ai":                      false,
		"https://claude.ai@evil.example/a":                    false,
		"https://x@claude.ai/a":                               false,
		"https://claude.ai:443/a":                             false,
		"https://claude.ai:8443/a":                            false,
		"https://Claude.ai/a":                                 false,
		"https://claude.ai/a?b":                               false,
		"https://claude.ai/a?":                                false,
		"https://claude.ai/a#b":                               false,
		"https://claude.ai/a#":                                false,
		"https://claude.ai/../a":                              false,
		"https://claude.ai/a/./b":                             false,
		"https://claude.ai/%2e%2e/a":                          false,
		"https://claude.ai/a b":                               false,
		"https://claude.ai\\@evil.example/a":                  false,
		"https://claude.ai/%zz":                               false,
		"https://claude.ai/!~":                                true,
		"https://claude.ai/" + long(482):                      true,
		"https://claude.ai/" + long(483):                      false,
		"https://claude.ai/ä":                                 false,
	} {
		if err := c.known(t.Context(), place{}, id); (err == nil) != good {
			t.Errorf("%.60s: %v", id, err)
		}
	}
}

// A listed host that is down harms nobody else's clients.
func TestDocumentHostThatIsDown(t *testing.T) {
	w := documented(t, func(string) (*document, time.Duration, error) { return nil, 0, errors.New("down") })
	cookie := w.browser()
	if w.authorize(cookie, asking("client_id", codex, "redirect_uri", "http://127.0.0.1/").Encode()); !errors.Is(w.refused, ErrBadClient) {
		t.Errorf("%v", w.refused)
	}
	w.tokens(cookie)
	if status, _ := w.register(`{"redirect_uris":["http://localhost/"]}`, nil); status != 201 {
		t.Errorf("registration: %d", status)
	}
}

func TestDocumentCache(t *testing.T) {
	newCache := func(fetch func(id string) (*document, time.Duration, error)) *documentCache {
		c := newDocumentCache(newDocumentFetcher())
		c.fetch = living(fetch)
		return c
	}
	t.Run("lives as long as its server says, within bounds", func(t *testing.T) {
		for said, kept := range map[time.Duration]time.Duration{0: time.Minute, time.Hour: time.Hour, 1000 * time.Hour: 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				fetched := 0
				c := newCache(func(id string) (*document, time.Duration, error) { fetched++; return &document{ID: id}, said, nil })
				for _, wait := range []time.Duration{0, kept - 1, 1} {
					time.Sleep(wait)
					if d, err := c.get(t.Context(), "ada", "a"); err != nil || d.ID != "a" {
						t.Fatal(err)
					}
				}
				if fetched != 2 {
					t.Errorf("%v: %d fetched", said, fetched)
				}
			})
		}
	})
	t.Run("failures are not kept, and counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fetched := 0
			c := newCache(func(string) (*document, time.Duration, error) { fetched++; return nil, 0, errors.New("down") })
			for n, want := range []int{10, 20, 30, 30} {
				for range 100 {
					_, _ = c.get(t.Context(), fmt.Sprint("user ", n), "a")
				}
				if fetched != want {
					t.Errorf("%d fetched in a minute, for %d users", fetched, n+1)
				}
			}
			time.Sleep(time.Minute)
			for range 11 {
				_, _ = c.get(t.Context(), "user 0", "a")
			}
			if fetched != 40 {
				t.Errorf("%d fetched after it", fetched)
			}
		})
	})
	t.Run("once for all, four at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running, most, fetched, refused atomic.Int32
			c := newCache(func(id string) (*document, time.Duration, error) {
				fetched.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
				return &document{ID: id}, 0, nil
			})
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					if _, err := c.get(t.Context(), "ada", fmt.Sprint(i%6)); err != nil {
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			if most.Load() != 4 || fetched.Load() != 4 || refused.Load() != 20 {
				t.Errorf("%d at a time, %d fetched, %d refused", most.Load(), fetched.Load(), refused.Load())
			}
		})
	})
	t.Run("256 are kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(func(id string) (*document, time.Duration, error) { return &document{ID: id}, 24 * time.Hour, nil })
			for i := range 300 {
				time.Sleep(2 * time.Second)
				if _, err := c.get(t.Context(), fmt.Sprint(i%3), fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if len(c.kept) != 256 {
				t.Errorf("%d kept", len(c.kept))
			}
			time.Sleep(24 * time.Hour)
			if _, err := c.get(t.Context(), "ada", "another"); err != nil || len(c.kept) != 1 {
				t.Errorf("%d kept when they are over, %v", len(c.kept), err)
			}
		})
	})
}

// documentServer answers for every host.
func documentServer(t *testing.T, serve http.HandlerFunc) *documentFetcher {
	s := httptest.NewTLSServer(serve)
	t.Cleanup(s.Close)
	return newDocumentFetcherWith(new(net.Dialer), func(transport *http.Transport) {
		client := s.Client().Transport.(*http.Transport)
		transport.TLSClientConfig = client.TLSClientConfig.Clone()
		transport.TLSClientConfig.ServerName = "example.com" // of the test's certificate
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		}
	})
}

func TestFetchedDocuments(t *testing.T) {
	good := `{"client_id":"` + codex + `","client_name":"Codex","redirect_uris":["http://127.0.0.1/callback"],"token_endpoint_auth_method":"none","x":1}`
	answer := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !r.Close || r.Header.Get("Accept") != "application/json" {
				t.Errorf("asked with %v, and the connection is kept: %t", r.Header, !r.Close)
			}
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		serve http.HandlerFunc
		good  bool
	}{
		"good":            {answer("application/json", good), true},
		"JSON of a kind":  {answer("application/oauth-client+json; charset=utf-8", good), true},
		"HTML":            {answer("text/html", good), false},
		"no content type": {answer("", good), false},
		"XML":             {answer("application/xml", good), false},
		"JSON of a text":  {answer("text/x+json", good), false},
		"64 KiB":          {answer("application/json", good+strings.Repeat(" ", 64<<10-len(good))), true},
		"a byte more":     {answer("application/json", good+strings.Repeat(" ", 64<<10+1-len(good))), false},
		"breaking off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)+1))
			answer("application/json", good)(w, r)
		}, false},
		"32 KiB of header": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", long(32<<10))
			answer("application/json", good)(w, r)
		}, false},
		"another client":      {answer("application/json", strings.Replace(good, "codex", "other", 1)), false},
		"its id with a slash": {answer("application/json", strings.Replace(good, "client.json", "client.json/", 1)), false},
		"no id":               {answer("application/json", `{"redirect_uris":["http://127.0.0.1/"]}`), false},
		"a shared secret":     {answer("application/json", strings.Replace(good, `"none"`, `"client_secret_basic"`, 1)), false},
		"a list":              {answer("application/json", `[]`), false},
		"numbers":             {answer("application/json", strings.Replace(good, `["http://127.0.0.1/callback"]`, `1`, 1)), false},
		"cut off":             {answer("application/json", good[:40]), false},
		"not found": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			answer("application/json", good)(w, r)
		}, false},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/other" {
				http.Redirect(w, r, "/other", http.StatusFound)
				return
			}
			answer("application/json", good)(w, r)
		}, false},
		"65 KiB": {answer("application/json", good[:len(good)-1]+`,"y":"`+long(64<<10)+`"}`), false},
		"1 GB": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 1 << 14 {
				if _, err := io.WriteString(w, long(64<<10)); err != nil {
					return
				}
			}
			t.Error("all of it was read")
		}, false},
	}
	for name, test := range tests {
		d, err := documentServer(t, test.serve).fetch(t.Context(), codex)
		if (err == nil) != test.good || test.good && (d.Name != "Codex" || len(d.RedirectURIs) != 1) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDocumentsOfSlowServers(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := documentServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	if f.client.Timeout != 5*time.Second {
		t.Errorf("waits %v", f.client.Timeout)
	}
	f.client.Timeout = 50 * time.Millisecond
	if _, err := f.fetch(t.Context(), codex); err == nil {
		t.Error("read")
	}
	if _, err := f.fetch(t.Context(), "https://claude.ai/%zz"); err == nil {
		t.Error("not an address")
	}
}

// The rest of an answer that is of no use is not waited for.
func TestDocumentsThatDoNotEnd(t *testing.T) {
	gone := make(chan struct{})
	f := documentServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	f.client.Timeout = time.Hour
	if _, err := f.fetch(t.Context(), codex); err == nil {
		t.Error("read")
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection stays")
	}
}

func TestCacheLife(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "max-age=60": time.Minute, "public, Max-Age=\"3600\"": time.Hour, "max-age=60, no-store": 0, "max-age=60, no-cache": 0,
		"max-age=0": 0, "max-age=1": time.Second,
		"max-age=-1": 0, "max-age=x": 0, "max-age=99999999999": 24 * time.Hour, "s-maxage=60": 0,
	} {
		if got := cacheLife(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%s: %v", header, got)
		}
	}
}

// Attack 9: what a visitor names must not reach what only the server can.
func TestSpecialUseAddresses(t *testing.T) {
	for address, special := range map[string]bool{
		"127.0.0.1": true, "127.1.2.3": true, "0.0.0.0": true, "0.1.2.3": true, "10.0.0.1": true, "172.16.0.1": true,
		"172.31.255.255": true, "192.168.1.1": true, "169.254.169.254": true, "100.64.0.1": true, "192.0.0.1": true,
		"192.0.2.1": true, "192.88.99.1": true, "198.18.0.1": true, "198.51.100.1": true, "203.0.113.1": true,
		"224.0.0.1": true, "240.0.0.1": true, "255.255.255.255": true,
		"::": true, "::1": true, "::ffff:127.0.0.1": true, "::ffff:10.0.0.1": true, "::ffff:100.64.0.1": true, "2001:db8::1%eth0": true,
		"::127.0.0.1": true, "::ffff:0:127.0.0.1": true, "64:ff9b::7f00:1": true, "200::1": true, "4000::1": true,
		"64:ff9b:1::1": true, "100::1": true, "2001::1": true, "2001:db8::1": true, "2002:7f00:1::": true, "3fff::1": true,
		"5f00::1": true, "fc00::1": true, "fd00::1": true, "fe80::1": true, "fe80::1%eth0": true, "fec0::1": true, "ff02::1": true,
		"8.8.8.8": false, "172.32.0.1": false, "100.128.0.1": false, "1.1.1.1": false, "::ffff:8.8.8.8": false,
		"2606:4700::1111": false, "2a00:1450:4001::1": false,
	} {
		for _, network := range []string{"tcp4", "tcp6"} {
			if err := refuseSpecialUse(network, net.JoinHostPort(address, "443"), nil); (err != nil) != special {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if refuseSpecialUse("tcp", "claude.ai:443", nil) == nil {
		t.Error("a name is connected to")
	}
}

// The check is at the connection, so that no name helps, whatever it stood for
// before.
func TestNoConnectionToTheServerItself(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	met := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			met <- conn
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	t.Setenv("HTTPS_PROXY", "http://"+listener.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		if _, err := newDocumentFetcher().fetch(t.Context(), "https://"+host+":"+port+"/client"); !errors.Is(err, errSpecialUse) {
			t.Errorf("%s: %v", host, err)
		}
	}
	select {
	case <-met:
		t.Error("connected")
	case <-time.After(50 * time.Millisecond):
	}
}
