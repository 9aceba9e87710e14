package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Request targets without a path match no path matcher, and reach an upstream
// as "/" or as a path it completes: they must not be a way around the sign-in.
func TestTargetsWithoutAPath(t *testing.T) {
	for _, matcher := range []string{"/*", "/admin*", "/"} {
		w := newWorld(t)
		w.load(w.caddyfile(fmt.Sprintf("zoom_pkce %s {\n%s}\nreverse_proxy %s\n", matcher, w.options(), w.upstream.addr)))
		for _, line := range []string{
			"GET http://" + w.addr, "GET x:", "GET http:?q", "GET x:admin/secret", "POST x:admin/secret",
			"GET http:admin/secret", "GET *", "CONNECT " + w.addr, "HEAD http://" + w.addr,
		} {
			t.Run(matcher+" "+line, func(t *testing.T) {
				before := w.upstream.requests.Load()
				status := w.raw(t, line)
				if n := w.upstream.requests.Load() - before; n != 0 {
					t.Errorf("the upstream got it; status %d", status)
				}
				if status == http.StatusOK {
					t.Error("answered with 200")
				}
			})
		}
	}
}

// raw sends a request line as it is and returns the status of the answer.
func (w *world) raw(t *testing.T, line string) int {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", line, w.addr)
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
