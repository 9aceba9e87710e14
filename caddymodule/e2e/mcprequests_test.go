package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What client and server say to each other in headers and statuses is theirs.
func TestMCPHeadersAndStatusesAreUntouched(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	asks := []string{
		"Mcp-Session-Id", "0f1e2d3c~!", "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?w6k=?=",
		"Mcp-Param-Region", "eu, us", "Last-Event-Id", "7_42", "Accept", "application/json, text/event-stream", "Content-Type", "application/json",
	}
	says := []string{
		"Mcp-Session-Id", "another~!", "Mcp-Protocol-Version", "2025-11-25", "Content-Type", "application/json", "Allow", "GET, POST",
		"Access-Control-Allow-Origin", "https://page.example", "Access-Control-Expose-Headers", "Mcp-Session-Id",
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		// 404: the session is over. 405: no stream, or no end of sessions. 202: understood.
		for _, status := range []int{http.StatusOK, http.StatusAccepted, http.StatusNotFound, http.StatusMethodNotAllowed} {
			seen := make(chan *http.Request, 1)
			w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
				seen <- r
				for pair := range slices.Chunk(says, 2) {
					rw.Header().Set(pair[0], pair[1])
				}
				rw.WriteHeader(status)
			})
			a := p.call(method, "/mcp?x=%2F", asks...)
			got := <-seen
			if got.Method != method || got.RequestURI != "/mcp?x=%2F" || a.StatusCode != status {
				t.Errorf("%s %s got %d, want %s and %d", got.Method, got.RequestURI, a.StatusCode, method, status)
			}
			for pair := range slices.Chunk(asks, 2) {
				if values := got.Header[pair[0]]; !slices.Equal(values, pair[1:]) {
					t.Errorf("%s: the server got %s %q", method, pair[0], values)
				}
			}
			for pair := range slices.Chunk(says, 2) {
				if values := a.Header[pair[0]]; !slices.Equal(values, pair[1:]) {
					t.Errorf("%s: the client got %s %q", method, pair[0], values)
				}
			}
		}
	}
}

// Requests as MCP clients send them get a 401 that says where to sign in, and never a
// redirect, which they would follow to a page.
func TestMCPRequestsOfNobody(t *testing.T) {
	w := newWorld(t)
	requests := map[string][]string{
		"a call":                  {"POST", "Accept", "application/json, text/event-stream", "Content-Type", "application/json"},
		"a stream":                {"GET", "Accept", "text/event-stream", "Mcp-Protocol-Version", "2025-11-25"},
		"a stream taken up again": {"GET", "Accept", "text/event-stream", "Last-Event-Id", "7_42", "Mcp-Session-Id", "a"},
		"a stream by fetch":       {"GET", "Accept", "text/event-stream", "Sec-Fetch-Mode", "cors", "Accept-Language", "*", "User-Agent", "node"},
		"a probe of Codex's":      {"GET", "Accept", "*/*", "Mcp-Protocol-Version", "2024-11-05"},
		"a probe with nothing":    {"GET"},
		"the end of a session":    {"DELETE", "Mcp-Session-Id", "a"},
	}
	for _, options := range []string{"", "unauthenticated page", "unauthenticated reject", "error_pages off"} {
		w.load(w.site(programOptions, options))
		for name, request := range requests {
			t.Run(name+" "+options, func(t *testing.T) {
				nobody := w.browser().request(request[0], "/mcp", request[1:]...)
				wantChallenge(t, w, w.browser().do(nobody), "/mcp", false)
				p := w.program()
				p.access = w.tokenPrefix() + "a_x"
				a := p.call(request[0], "/mcp", request[1:]...)
				wantChallenge(t, w, a, "/mcp", true)
				if strings.Contains(a.Header.Get("Content-Type"), "html") && options != "error_pages off" {
					t.Errorf("a page: %v", a.Header)
				}
			})
		}
	}
	if got := w.upstream.requests.Load(); got != 0 {
		t.Errorf("%d requests of nobody reached the server", got)
	}
}
