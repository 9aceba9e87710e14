package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// beforeAndAfter is a server whose stream has two events, and goes on after each when
// it is told to.
func beforeAndAfter(next <-chan struct{}) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
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
			w.upstream.serveWith(beforeAndAfter(next))
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

// Operators reload while clients listen, for hours as some do.
func TestMCPStreamsOutliveAReload(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(programOptions))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	next := make(chan struct{})
	w.upstream.serveWith(beforeAndAfter(next))
	_, events := w.stream(http.MethodGet, "", "Accept", "text/event-stream", "Authorization", "Bearer "+p.access)
	wantEvent(t, events, "before")
	w.load(w.site(programOptions, "unauthenticated reject"))
	if a := p.call(http.MethodPost, "/mcp"); a.StatusCode != http.StatusOK {
		t.Errorf("after the reload: %d", a.StatusCode)
	}
	next <- struct{}{}
	wantEvent(t, events, "after")
	next <- struct{}{}
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
}
