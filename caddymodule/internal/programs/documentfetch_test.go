package programs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
