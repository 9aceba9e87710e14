package e2e

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// signedInWorld is a world with one visitor signed in.
func signedInWorld(t *testing.T, options ...string) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.load(w.site(options...))
	b := w.browser()
	if a := b.signIn("/", "user-ada"); a.StatusCode != http.StatusOK {
		t.Fatalf("signing in: %d", a.StatusCode)
	}
	return w, b.sessionCookie()
}

func TestWebSocket(t *testing.T) {
	w, cookie := signedInWorld(t)
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Saw: %s\r\n\r\n", r.Header.Get("X-Zoom-User-Id"))
		line, err := buffered.ReadString('\n')
		if err == nil {
			fmt.Fprintf(conn, "echo %s", line)
		}
	})
	const handshake = "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade, X-Zoom-User-Id\r\nUpgrade: websocket\r\nX-Zoom-User-Id: forged\r\n%s\r\n"
	c := w.dial()
	c.send(handshake, w.addr, "Cookie: "+cookie+"\r\n")
	resp := c.response()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("X-Saw") != "user-ada" {
		t.Fatalf("got %d, the upstream saw %q", resp.StatusCode, resp.Header.Get("X-Saw"))
	}
	c.send("hello\n")
	if line, err := c.r.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
	w.endSwitched(c, "/socket")

	c = w.dial()
	c.send(handshake, w.addr, "")
	if status := c.status(); status != http.StatusUnauthorized {
		t.Errorf("signed out: got %d", status)
	}
}

// Events arrive when they are sent, marked as the visitor's own.
func TestServerSentEvents(t *testing.T) {
	w, cookie := signedInWorld(t)
	next := make(chan struct{})
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		rw.Header().Set("Cache-Control", "public, max-age=600")
		for i := range 3 {
			fmt.Fprintf(rw, "data: %d\n\n", i)
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	r := w.browser().request("GET", "/events", "Cookie", cookie)
	resp, err := direct.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Values("Cache-Control"); strings.Join(got, "|") != "public, max-age=600|private" {
		t.Errorf("Cache-Control: %q", got)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		if line, err := lines.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		_, _ = lines.ReadString('\n')
		next <- struct{}{}
	}
}

// A large upload passes through as it comes, trailers and all.
func TestLargeUpload(t *testing.T) {
	w, cookie := signedInWorld(t)
	const size = 200 << 20
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(rw, "%d %v %x %s %s", n, err, hash.Sum(nil), r.Trailer.Get("X-Sum"), r.Trailer.Get("X-Zoom-Zak"))
	})
	sent := sha256.New()
	chunk := make([]byte, 1<<20)
	rand.Read(chunk)
	body, in := io.Pipe()
	go func() {
		for range size / len(chunk) {
			_, _ = sent.Write(chunk)
			if _, err := in.Write(chunk); err != nil {
				return
			}
		}
		in.Close()
	}()
	r := w.browser().request("POST", "/upload", "Cookie", cookie)
	r.Body, r.ContentLength = body, -1
	r.Trailer = http.Header{"X-Sum": {"1"}, "X-Zoom-Zak": {"forged"}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := direct.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, resp)
	runtime.ReadMemStats(&after)
	if want := fmt.Sprintf("%d <nil> %x 1 ", size, sent.Sum(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d bytes allocated for an upload of %d", grown, size)
	}
}

func TestExpectContinue(t *testing.T) {
	w, cookie := signedInWorld(t)
	c := w.dial()
	c.send("POST /upload HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTrailer: X-Zoom-Zak, X-Sum\r\nConnection: close\r\n\r\n", w.addr, cookie)
	if status := c.status(); status != http.StatusContinue {
		t.Fatalf("got %d, want 100", status)
	}
	c.send("4\r\nbody\r\n0\r\nX-Zoom-Zak: forged\r\nX-Zoom-User-Id: forged\r\nX-Sum: 1\r\n\r\n")
	resp := c.response()
	for resp.StatusCode == http.StatusContinue {
		resp = c.response() // reverse_proxy hands on the upstream's, too
	}
	got := answer{resp, readAll(t, resp)}.received(t)
	if got.Body != "body" || got.Trailer.Get("X-Sum") != "1" || got.Trailer.Get("X-Zoom-Zak") != "" || got.Header.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("%+v", got)
	}
}

// On HTTP/2 both directions flow at once, through the handler and the proxy.
func TestFullDuplex(t *testing.T) {
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(rw)
		_ = rc.EnableFullDuplex()
		rw.WriteHeader(http.StatusOK)
		_ = rc.Flush()
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprintf(rw, "echo %s", line)
			_ = rc.Flush()
		}
	}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	defer h2.Close()

	w := newWorld(t)
	w.load(strings.Replace(w.caddyfile(fmt.Sprintf("zoom_pkce {\n%s}\nreverse_proxy %s {\ntransport http {\ntls_insecure_skip_verify\nversions 2\n}\n}\n",
		w.options(), h2.URL)), "auto_https off\n", "auto_https off\nservers {\nprotocols h1 h2c\n}\n", 1))
	b := w.browser()
	b.consentAndReturn("/", "user-ada")

	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	body, in := io.Pipe()
	r := b.request("POST", "/talk", "Cookie", b.sessionCookie())
	r.Body = body
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %d", resp.Proto, resp.StatusCode)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		fmt.Fprintf(in, "line %d\n", i)
		if line, err := lines.ReadString('\n'); line != fmt.Sprintf("echo line %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	in.Close()
}
