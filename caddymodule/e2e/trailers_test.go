package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// wantOwnHeaders checks that a POST of "hello" by Ada arrived with her ZAK and
// without anything that was forged in header or trailers.
func (w *world) wantOwnHeaders(got received, sum string) {
	w.t.Helper()
	if got.Body != "hello" {
		w.t.Errorf("body is %q", got.Body)
	}
	zak := got.Header["X-Zoom-Zak"]
	if user, _, ok := w.zoom.ValidateZAK(strings.Join(zak, ",")); len(zak) != 1 || !ok || user != "user-ada" {
		w.t.Errorf("header is %q", zak)
	}
	for key, values := range got.Trailer {
		if folded := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(key)); strings.HasPrefix(folded, "x-zoom-") {
			w.t.Errorf("trailer %s: %q", key, values)
		}
	}
	if s := got.Trailer.Get("X-Sum"); s != sum {
		w.t.Errorf("X-Sum is %q, want %q", s, sum)
	}
}

func TestTrailersThroughCaddy(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	cookie := w.signedIn("user-ada").sessionCookie()
	for _, tt := range []struct{ name, announced, sent, sum string }{
		{"ours announced", "Trailer: X-Zoom-Zak, X-Sum\r\n", "X-Zoom-Zak: evil\r\nX-Sum: 42\r\n", "42"},
		{"ours unannounced", "Trailer: X-Sum\r\n", "X-Zoom-Zak: evil\r\nX-Sum: 42\r\nx-zoom-user-id: evil\r\n", "42"},
		{"other spellings", "Trailer: X-Sum\r\n", "X_Zoom_Zak: evil\r\nX.Zoom.Zak: evil\r\nX-Sum: 42\r\nX-Zoom_User.Email: evil\r\n", "42"},
		{"none announced", "", "X-Zoom-Zak: evil\r\n", ""},
		{"only ours", "Trailer: X-Zoom-Zak\r\n", "X-Zoom-Zak: evil\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.dial()
			c.send("POST / HTTP/1.1\r\nHost: %s\r\nConnection: close, x-zoom-zak\r\nCookie: %s\r\nTransfer-Encoding: chunked\r\n"+
				"X-Zoom-Zak: evil\r\n%s\r\n5\r\nhello\r\n0\r\n%s\r\n", w.addr, cookie, tt.announced, tt.sent)
			resp := c.response()
			w.wantOwnHeaders(answer{resp, readAll(t, resp)}.received(t), tt.sum)
		})
	}
}

func TestTrailersThroughCaddyHTTP2(t *testing.T) {
	w := newWorld(t)
	w.load(strings.Replace(w.site(), "auto_https off\n", "auto_https off\nservers {\nprotocols h1 h2c\n}\n", 1))
	b := w.signedIn("user-ada")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	r := b.request(http.MethodPost, "/", "Cookie", b.sessionCookie())
	r.Body = io.NopCloser(strings.NewReader("hello"))
	r.Trailer = http.Header{"X-Zoom-Zak": {"evil"}, "X_zoom_zak": {"evil"}, "X-Sum": {"42"}}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != 2 {
		t.Fatalf("spoke %s", resp.Proto)
	}
	w.wantOwnHeaders(answer{resp, readAll(t, resp)}.received(t), "42")
}
