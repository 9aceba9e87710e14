package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// rawConn is a connection to Caddy for requests that no HTTP client would send.
type rawConn struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (w *world) dial() *rawConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	return &rawConn{w.t, conn, bufio.NewReader(conn)}
}

// endSwitched closes a connection that was switched to another protocol, and waits for
// Caddy to have noticed: v2.11.9 races with itself where it stops with one open.
func (w *world) endSwitched(c *rawConn, path string) {
	w.t.Helper()
	c.Close()
	over := regexp.MustCompile(`handled request.*"uri":"` + regexp.QuoteMeta(path) + `"`)
	testkit.Eventually(w.t, "the switched connection to be over", 10*time.Second, func() bool { return over.MatchString(w.logged()) })
}

func (c *rawConn) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.Conn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

// response reads the head of the next response; its body is left to the caller.
func (c *rawConn) response() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// status reads the head of the next response.
func (c *rawConn) status() int {
	c.t.Helper()
	return c.response().StatusCode
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
