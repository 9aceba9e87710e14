package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// stream begins a request of an MCP client, whose answer is read as it comes.
func (w *world) stream(method, body string, header ...string) (*http.Response, *bufio.Reader) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	w.t.Cleanup(cancel)
	r := w.browser().request(method, "/mcp", header...)
	setBody(r, body)
	resp, err := direct.RoundTrip(r.WithContext(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// wantEvent reads an event of a stream.
func wantEvent(t *testing.T, events *bufio.Reader, data string) {
	t.Helper()
	line, err := events.ReadString('\n')
	if _, end := events.ReadString('\n'); err != nil || end != nil || line != "data: "+data+"\n" {
		t.Fatalf("got %q, %v, %v, want the event %q", line, err, end, data)
	}
}

// askingBack is an MCP server that answers a call with a stream, on which it asks the
// client something; it goes on once the client has answered by another POST. A client
// from which the question is held back waits forever.
func askingBack(contentType string) http.HandlerFunc {
	answered := make(chan struct{})
	return func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == "the answer" {
			rw.WriteHeader(http.StatusAccepted)
			answered <- struct{}{}
			return
		}
		rw.Header().Set("Content-Type", contentType)
		fmt.Fprintf(rw, "data: a question of %s\n\n", r.Header.Get("X-Zoom-User-Id"))
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-answered:
			fmt.Fprint(rw, "data: the result\n\n")
		case <-r.Context().Done():
		}
	}
}

// Whoever streams through the directive does so as without it, by bearer and by
// cookie, in each way in which the proxy passes on what comes.
func TestMCPServersAskBackOnTheirAnswers(t *testing.T) {
	w := newWorld(t)
	sites := []struct{ before, proxy, contentType string }{
		{"", "", "text/event-stream"},
		{"", "", "text/event-stream; charset=utf-8"},
		{"", "{\nflush_interval -1\n}", "application/json"},
		{"encode zstd gzip", "", "text/event-stream"},
	}
	var b *browser
	var p *program
	for _, site := range sites {
		w.load(w.caddyfile(site.before + "\nzoom_pkce {\n" + w.options() + programOptions + "\n}\nreverse_proxy " + w.upstream.addr + " " + site.proxy))
		if b == nil {
			b = w.signedIn("user-ada")
			p = w.program().signedInBy(b)
		}
		for _, header := range [][]string{{"Authorization", "Bearer " + p.access}, {"Cookie", b.cookieLine()}} {
			t.Run(fmt.Sprint(site, header[0]), func(t *testing.T) {
				w.upstream.serveWith(askingBack(site.contentType))
				header = append(header, "Content-Type", "application/json", "Accept", "application/json, text/event-stream")
				resp, events := w.stream(http.MethodPost, "a call", header...)
				if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != site.contentType || resp.Uncompressed != (site.before != "") {
					t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
				}
				wantEvent(t, events, "a question of user-ada")
				if answer, _ := w.stream(http.MethodPost, "the answer", header...); answer.StatusCode != http.StatusAccepted {
					t.Fatalf("answering: %d", answer.StatusCode)
				}
				wantEvent(t, events, "the result")
				if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
					t.Errorf("after the result: %q, %v", rest, err)
				}
			})
		}
	}
}

// A long POST reaches the server while it comes.
func TestMCPLongPost(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	arrived := make(chan string, 2)
	w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
		body := bufio.NewReader(r.Body)
		for range 2 {
			line, _ := body.ReadString('\n')
			arrived <- line
		}
		rw.WriteHeader(http.StatusAccepted)
	})
	body, in := io.Pipe()
	r := w.browser().request(http.MethodPost, "/mcp", "Authorization", "Bearer "+p.access)
	r.Body = body
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	status := make(chan string, 1)
	go func() {
		resp, err := direct.RoundTrip(r.WithContext(ctx))
		if err != nil {
			status <- err.Error()
			return
		}
		resp.Body.Close()
		status <- resp.Status
	}()
	for _, part := range []string{"the first half\n", "the rest\n"} {
		if _, err := io.WriteString(in, part); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-arrived:
			if got != part {
				t.Fatalf("%q arrived as %q", part, got)
			}
		case <-ctx.Done():
			t.Fatalf("%q is held back", part)
		}
	}
	in.Close()
	if got := <-status; got != "202 Accepted" {
		t.Errorf("got %s", got)
	}
}

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

// A stream that runs is a request that was let in: it goes on when what let it in
// ends. The next request is refused, with the way to sign in.
func TestMCPStreamsOutliveWhatLetThemIn(t *testing.T) {
	const lifetime = "programs {\nclient cli http://127.0.0.1/callback\ntoken_lifetime 2s\n}\n"
	for name, end := range map[string]func(*program, *browser) (refreshed int){
		"the token expires": func(p *program, _ *browser) int {
			testkit.Eventually(p.w.t, "the token to expire", 15*time.Second, func() bool {
				return p.call(http.MethodDelete, "/mcp").StatusCode == http.StatusUnauthorized
			})
			return http.StatusOK
		},
		"the program gives its tokens back": func(p *program, _ *browser) int {
			p.post("oauth/revoke", url.Values{"token": {p.refresh}, "client_id": {p.id}})
			return http.StatusBadRequest
		},
		"the user signs out of everything": func(p *program, b *browser) int {
			p.w.disconnected(b.post("logout?disconnect=1", ""))
			return http.StatusBadRequest
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site(lifetime))
			b := w.signedIn("user-ada")
			p := w.program().signedInBy(b)
			next := make(chan struct{})
			w.upstream.serveWith(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "text/event-stream")
				if r.Method != http.MethodGet {
					return
				}
				for _, event := range []string{"before", "after"} {
					fmt.Fprintf(rw, "data: %s\n\n", event)
					_ = http.NewResponseController(rw).Flush()
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
				}
			})
			var resp *http.Response
			var events *bufio.Reader
			for range 10 { // a busy machine takes longer to begin than the token lives
				if resp, events = w.stream(http.MethodGet, "", "Accept", "text/event-stream", "Authorization", "Bearer "+p.access); resp.StatusCode == http.StatusOK {
					break
				}
				p.takeTokens(p.refreshed())
			}
			wantEvent(t, events, "before")
			refreshed := end(p, b)
			wantChallenge(t, w, p.call(http.MethodPost, "/mcp", "Accept", "application/json, text/event-stream"), "/mcp", true)
			next <- struct{}{}
			wantEvent(t, events, "after")
			next <- struct{}{}
			if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
				t.Errorf("the stream ends with %q, %v", rest, err)
			}
			if a := p.refreshed(); a.StatusCode != refreshed {
				t.Errorf("refreshing: %d, want %d\n%s", a.StatusCode, refreshed, a.body)
			}
		})
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
