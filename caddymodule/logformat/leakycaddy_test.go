package logformat_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go/http3"
)

// What a real Caddy logs at DEBUG when transfers break off on either side, by
// every protocol. request_header sets what the directive sets, so nothing here
// knows the directive.

// secret is a value that no log may show, by what it is.
func secret(what string) string { return marker + "-" + what + "-" }

// The configuration, with the app's credentials in every place that Caddy logs.
const leakyCaddyfile = `{
	admin off
	persist_config off
	skip_install_trust
	auto_https disable_certs
	storage file_system %[1]q
	servers {
		log_credentials
	}
	log {
		output file %[2]q {
			roll_disabled
		}
		level DEBUG
		format %[3]s
	}
}
https://localhost:%[4]s {
	bind 127.0.0.1
	tls %[2]s.crt %[2]s.key
	log
	route {
		request_header X-Zoom-Access-Token "Bearer S3CRET-token-"
		request_header X-Zoom-Zak "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJjbGllbnRzbSJ9.S3CRET-zak-"
		request_header X-Zoom-Obf S3CRET-obf-
		request_header %[5]s S3CRET-custom-
		log_append seen {header.X-Zoom-Zak}
		redir /sign-in "https://zoom.us/oauth/authorize?state=S3CRET-state-&code_challenge=S3CRET-challenge-" 303
		error /fails "Get \"http://a/cb?code=S3CRET-code-\": cut" 500
		reverse_proxy /dead/* 127.0.0.1:1
		reverse_proxy /php/* %[6]s {
			transport fastcgi {
				env ZAK {header.X-Zoom-Zak}
			}
		}
		reverse_proxy /warns/* %[8]s {
			transport fastcgi {
				capture_stderr
			}
		}
		rewrite /old/* /app/whole?{query}
		header Set-Cookie "__Host-zoom_pkce_0a1b2c3d=S3CRET-cookie-; Path=/; Secure"
		reverse_proxy %[7]s {
			header_up X-Renamed {header.X-Zoom-Zak}
		}
	}
}
`

// leaky is a running Caddy before an app that cuts its answers, the same app by
// FastCGI, and one that warns.
type leaky struct {
	t              *testing.T
	app, php, warn string
	dir, port      string
	log            string
}

func newLeaky(t *testing.T) *leaky {
	l := &leaky{t: t, dir: t.TempDir(), port: freePort(t), warn: warningApp(t)}
	l.log = filepath.Join(l.dir, "caddy.log")
	server := httptest.NewServer(breakingApp(func() { panic(http.ErrAbortHandler) }))
	php := &cutListener{Listener: listen(t)}
	go func() { _ = fcgi.Serve(php, breakingApp(php.cut)) }()
	l.app, l.php = server.Listener.Addr().String(), php.Addr().String()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		php.cut()
		server.CloseClientConnections()
		server.Close()
	})
	return l
}

// load (re)loads Caddy with a format, and a header of the app's own name.
func (l *leaky) load(format, header string) {
	l.t.Helper()
	l.writeCertificate()
	config, err := adapted(fmt.Sprintf(leakyCaddyfile, l.dir, l.log, format, l.port, header, l.php, l.app, l.warn))
	if err != nil {
		l.t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		l.t.Fatal(err)
	}
	for range 200 { // until Caddy listens
		var conn *tls.Conn
		if conn, err = tls.Dial("tcp", "127.0.0.1:"+l.port, insecure()); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.t.Fatal(err)
}

// writeCertificate puts a certificate beside the log. Caddy v2.11.9 races with itself
// where its own authority makes one while it starts.
func (l *leaky) writeCertificate() {
	l.t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		l.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		".crt": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		".key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(l.log+name, pem.EncodeToMemory(block), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
}

func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"} }

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// freePort is free for TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		listener := listen(t)
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		packets, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		listener.Close()
		if err == nil {
			packets.Close()
			return port
		}
	}
	t.Fatal("no port is free for HTTP/1 and HTTP/3")
	return ""
}

// breakingApp shows what it got in its answer. One ends early, one never.
func breakingApp(cut func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Zoom-Zak", r.Header.Get("X-Zoom-Zak"))
		switch filepath.Base(r.URL.Path) {
		case "cut":
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond) // so that Caddy has begun to answer
			cut()
		case "endless":
			for range 10_000 {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil || r.Context().Err() != nil {
					return
				}
			}
		}
	})
}

// cutListener can cut the connections it has accepted.
type cutListener struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

func (l *cutListener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		conn.Close()
	}
	l.conns = nil
}

// warningApp answers by FastCGI as PHP does that has something to say: on stderr.
func warningApp(t *testing.T) string {
	const stdin, stdout, stderr, end = 5, 6, 7, 3
	listener := listen(t)
	answer := func(conn net.Conn) {
		defer conn.Close()
		for header := make([]byte, 8); ; {
			if _, err := io.ReadFull(conn, header); err != nil {
				return
			}
			length := int64(header[4])<<8 | int64(header[5])
			if _, err := io.CopyN(io.Discard, conn, length+int64(header[6])); err != nil {
				return
			}
			if header[1] == stdin && length == 0 {
				break
			}
		}
		for _, record := range []struct {
			kind byte
			text string
		}{
			{stdout, "Status: 200 OK\r\n\r\n"}, {stderr, "PHP Warning: in /cb?code=" + secret("code")}, {end, "\x00\x00\x00\x00\x00\x00\x00\x00"},
		} {
			_, _ = conn.Write(append([]byte{1, record.kind, 0, 1, 0, byte(len(record.text)), 0, 0}, record.text...))
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return listener.Addr().String()
}

// transports are clients of the three protocols.
func transports(t *testing.T) map[string]http.RoundTripper {
	h1 := &http.Transport{TLSClientConfig: insecure(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	h2 := &http.Transport{TLSClientConfig: insecure(), ForceAttemptHTTP2: true}
	h3 := &http3.Transport{TLSClientConfig: insecure()}
	t.Cleanup(func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		h3.Close()
	})
	return map[string]http.RoundTripper{"HTTP/1.1": h1, "HTTP/2.0": h2, "HTTP/3.0": h3}
}

// start sends a request with all that a visitor's browser and Zoom's client send.
// There is no answer if the app was faster in cutting it.
func (l *leaky) start(ctx context.Context, client http.RoundTripper, path string) *http.Response {
	l.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+l.port+path+"?a=b&state="+secret("state")+"&code="+secret("code"), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Host = "localhost:" + l.port
	r.Header.Set("Cookie", "theirs=stays; __Host-zoom_pkce_0a1b2c3d="+secret("cookie"))
	r.Header.Set("X-Zoom-App-Context", secret("context"))
	r.Header.Set("Referer", "https://localhost/cb?code="+secret("code"))
	resp, err := client.RoundTrip(r)
	if err != nil && !strings.HasSuffix(path, "/cut") {
		l.t.Fatalf("%s: %v", path, err)
	}
	return resp
}

// leave closes a download as a visitor does.
func leave(resp *http.Response, cancel context.CancelFunc) {
	_, _ = io.CopyN(io.Discard, resp.Body, 1000)
	cancel()
	resp.Body.Close()
}

// visit does everything once by each protocol, and returns the log of it.
func (l *leaky) visit() string {
	l.t.Helper()
	requests, cuts := 0, 0
	for protocol, client := range transports(l.t) {
		for _, path := range []string{
			"/app/whole", "/php/whole", "/old/whole", "/sign-in", "/fails", "/dead/whole", "/warns/whole",
			"/app/cut", "/php/cut", "/app/endless", "/php/endless",
		} {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			if resp := l.start(ctx, client, path); resp != nil {
				if resp.Proto != protocol {
					l.t.Errorf("by %s, not %s", resp.Proto, protocol)
				}
				if !strings.HasSuffix(path, "/endless") {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				leave(resp, cancel)
			}
			cancel()
			requests++
			if strings.HasSuffix(path, "/cut") || strings.HasSuffix(path, "/endless") {
				cuts++
			}
		}
	}
	l.await(aborted, cuts)
	return l.await("handled request", requests)
}

const aborted = "aborting with incomplete response"

// await returns the log once a message is in it often enough.
func (l *leaky) await(message string, times int) string {
	l.t.Helper()
	var logged []byte
	for range 1000 {
		logged, _ = os.ReadFile(l.log)
		if strings.Count(string(logged), message) >= times {
			return string(logged)
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatalf("%q is not in the log %d times, but %d", message, times, strings.Count(string(logged), message))
	return ""
}
