package scrub

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// upstreamSaw is what an upstream got.
type upstreamSaw struct {
	Body            string
	Header, Trailer http.Header
}

func startUpstream(t *testing.T) *httptest.Server {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream reading: %v", err)
		}
		_ = json.NewEncoder(w).Encode(upstreamSaw{string(body), r.Header, r.Trailer})
	}))
	t.Cleanup(upstream.Close)
	return upstream
}

// startPlain runs net/http with the scrubber in front of a proxy that shares
// or copies the request's trailers.
func startPlain(t *testing.T, proxy http.Handler) string {
	t.Helper()
	s := NewHeaders(promisedNames)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Remove(r, nil)
		r.Header.Set("X-Zoom-Zak", "real")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// sharingProxy forwards the very request it gets, so that the transport writes
// the very trailers that the server fills.
func sharingProxy(upstream string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", upstream
		if r.Trailer == nil {
			r.Trailer = make(http.Header)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		_, _ = io.Copy(w, res.Body)
	})
}

func TestTrailersThroughProxies(t *testing.T) {
	upstream := startUpstream(t).Listener.Addr().String()
	proxies := []struct {
		name  string
		start func(t *testing.T) string
		// forwards says whether this proxy forwards request trailers at all.
		forwards bool
	}{
		{"sharing proxy", func(t *testing.T) string { return startPlain(t, sharingProxy(upstream)) }, true},
		{"httputil", func(t *testing.T) string {
			return startPlain(t, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream}))
		}, false},
	}
	tests := []struct {
		name, announced, sent string
		sum                   bool // X-Sum gets through
	}{
		{"ours announced", "X-Zoom-Zak, X-Sum", "X-Zoom-Zak: evil\r\nX-Sum: 42\r\n", true},
		{"ours unannounced", "X-Sum", "X-Zoom-Zak: evil\r\nX-Sum: 42\r\nx-zoom-user-id: evil\r\n", true},
		{"other spellings", "X-Sum", "X_Zoom_Zak: evil\r\nX.Zoom.Zak: evil\r\nX-Sum: 42\r\nX-Zoom_User.Email: evil\r\n", true},
		{"none announced", "", "X-Zoom-Zak: evil\r\nX-Sum: 42\r\n", false},
		{"only ours", "X-Zoom-Zak", "X-Zoom-Zak: evil\r\n", false},
	}
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			addr := proxy.start(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					saw := sendChunked(t, addr, tt.announced, tt.sent)
					checkUpstream(t, saw)
					if sum := saw.Trailer.Get("X-Sum"); tt.sum && proxy.forwards && sum != "42" {
						t.Errorf("X-Sum is %q", sum)
					}
				})
			}
		})
	}
}

// A client that waits for 100 Continue gets it when the upstream reads.
func TestTrailerGuardKeepsExpectContinue(t *testing.T) {
	addr := startPlain(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", body, r.Trailer)
	}))
	conn := dial(t, addr)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("got %q, %v", line, err)
	}
	_, _ = reader.ReadString('\n')
	fmt.Fprintf(conn, "5\r\nhello\r\n0\r\nX-Zoom-Zak: evil\r\n\r\n")
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "hello map[]" {
		t.Errorf("got %q", body)
	}
}

// The bytes of an unfinished body arrive as they are sent.
func TestTrailerGuardStreams(t *testing.T) {
	reader, writer := io.Pipe()
	r := &http.Request{ProtoMajor: 1, ContentLength: -1, Body: reader, Trailer: http.Header{}}
	NewHeaders(promisedNames).Remove(r, nil)
	go func() { _, _ = writer.Write([]byte("first")) }()
	buffer := make([]byte, 64)
	if n, err := r.Body.Read(buffer); err != nil || string(buffer[:n]) != "first" {
		t.Errorf("got %q, %v", buffer[:n], err)
	}
	_ = r.Body.Close()
}

// net/http reads the rest of a short body when it is closed, trailers included.
func TestTrailerGuardScrubsOnClose(t *testing.T) {
	got := make(chan http.Header, 1)
	addr := startPlain(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.Body.Close()
		got <- r.Trailer.Clone()
	}))
	conn := dial(t, addr)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Zoom-Zak: evil\r\nX-Sum: 42\r\n\r\n")
	select {
	case trailer := <-got:
		if len(trailer) != 1 || trailer.Get("X-Sum") != "42" {
			t.Errorf("trailers: %v", trailer)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no request arrived")
	}
}

// A transport may close the body while it is being read, and its reader looks
// at the trailers as soon as it has seen the end. Run with -race.
func TestTrailerGuardConcurrentClose(t *testing.T) {
	for range 200 {
		body := &lateTrailers{late: http.Header{"X-Zoom-Zak": {"evil"}, "X-Sum": {"42"}}, trailer: http.Header{"X-Zoom-Zak": nil}}
		r := &http.Request{ProtoMajor: 1, ContentLength: -1, Body: body, Trailer: body.trailer}
		NewHeaders(promisedNames).Remove(r, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Body.Read(make([]byte, 8)); err != io.EOF {
				t.Errorf("reading: %v", err)
			}
			for key := range r.Trailer {
				if upstreamReads(key) {
					t.Errorf("trailer %q", key)
				}
			}
		})
		wg.Go(func() { _ = r.Body.Close() })
		wg.Wait()
	}
}

// scriptedBody does what a test says.
type scriptedBody struct {
	read  func() error
	close func() error
}

func (b *scriptedBody) Read([]byte) (int, error) { return 0, b.read() }
func (b *scriptedBody) Close() error             { return b.close() }

func guarded(body *scriptedBody) *http.Request {
	r := &http.Request{ProtoMajor: 1, ContentLength: -1, Body: body, Trailer: http.Header{"X-Sum": nil}}
	NewHeaders(promisedNames).Remove(r, nil)
	return r
}

// The server may be filling the trailers as long as a Read is under way, so that a
// Close must not touch them: the Read does when it returns.
func TestTrailerGuardClosedDuringRead(t *testing.T) {
	reading, goOn := make(chan struct{}), make(chan struct{})
	failed := errors.New("connection lost")
	body := &scriptedBody{close: func() error { return failed }}
	r := guarded(body)
	body.read = func() error {
		r.Trailer["X-Zoom-Zak"] = []string{"evil"}
		close(reading)
		<-goOn
		return http.ErrBodyReadAfterClose
	}
	var done sync.WaitGroup
	done.Go(func() { _, _ = r.Body.Read(nil) })
	<-reading
	if err := r.Body.Close(); !errors.Is(err, failed) {
		t.Errorf("closing: %v", err)
	}
	if len(r.Trailer) != 2 {
		t.Errorf("closing changed the trailers: %v", r.Trailer)
	}
	close(goOn)
	done.Wait()
	if len(r.Trailer) != 1 {
		t.Errorf("trailers: %v", r.Trailer)
	}
}

// The rest of a body that was read in part is read when it is closed.
func TestTrailerGuardClosedAfterRead(t *testing.T) {
	body := &scriptedBody{read: func() error { return nil }}
	r := guarded(body)
	body.close = func() error {
		r.Trailer["X-Zoom-Zak"] = []string{"evil"}
		return nil
	}
	_, _ = r.Body.Read(nil)
	if err := r.Body.Close(); err != nil || len(r.Trailer) != 1 {
		t.Errorf("trailers: %v, %v", r.Trailer, err)
	}
}

// Who has been told of the end may be looking at the trailers.
func TestTrailerGuardLeavesThemAfterTheEnd(t *testing.T) {
	r := guarded(&scriptedBody{read: func() error { return io.EOF }, close: func() error { return nil }})
	_, _ = r.Body.Read(nil)
	r.Trailer["X-Zoom-Zak"] = []string{"the reader's"}
	_ = r.Body.Close()
	_, _ = r.Body.Read(nil)
	if len(r.Trailer) != 2 {
		t.Errorf("trailers: %v", r.Trailer)
	}
}

// The server fills the map that was announced, which copies of a request share.
func TestTrailerGuardScrubsTheMapOfCopies(t *testing.T) {
	body := &scriptedBody{close: func() error { return nil }}
	r := guarded(body)
	copied := r.WithContext(t.Context())
	body.read = func() error {
		copied.Trailer["X-Zoom-Zak"] = []string{"evil"}
		return io.EOF
	}
	r.Trailer = nil
	_, _ = copied.Body.Read(nil)
	if len(copied.Trailer) != 1 {
		t.Errorf("trailers: %v", copied.Trailer)
	}
}

func checkUpstream(t *testing.T, saw upstreamSaw) {
	t.Helper()
	if saw.Body != "hello" {
		t.Errorf("body is %q", saw.Body)
	}
	if got := saw.Header["X-Zoom-Zak"]; !slices.Equal(got, []string{"real"}) {
		t.Errorf("header is %q", got)
	}
	for key := range saw.Trailer {
		if upstreamReads(key) {
			t.Errorf("trailer %s: %q", key, saw.Trailer[key])
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// sendChunked posts "hello" with trailers as only a raw client can, and with a
// Connection header that tries to strip the real header off.
func sendChunked(t *testing.T, addr, announced, trailers string) upstreamSaw {
	t.Helper()
	conn := dial(t, addr)
	if announced != "" {
		announced = "Trailer: " + announced + "\r\n"
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close, x-zoom-zak\r\nTransfer-Encoding: chunked\r\nX-Zoom-Zak: evil\r\n%s\r\n5\r\nhello\r\n0\r\n%s\r\n", announced, trailers)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var saw upstreamSaw
	if err := json.NewDecoder(res.Body).Decode(&saw); err != nil {
		t.Fatal(err)
	}
	return saw
}
