package e2e

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialing has the look-ups of this process go where a function says.
func dialing(t *testing.T, dial func(context.Context) (net.Conn, error)) {
	former := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = former })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
}

// A listed host that is down, or does not answer at all, is that of its own clients
// alone: all others sign in and get new tokens meanwhile.
func TestHostOfDocumentsThatIsDown(t *testing.T) {
	asked := make(chan struct{}, 100)
	for name, dial := range map[string]func(context.Context) (net.Conn, error){
		"down": func(context.Context) (net.Conn, error) { asked <- struct{}{}; return nil, errors.New("nobody answers") },
		"hangs": func(ctx context.Context) (net.Conn, error) {
			asked <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dialing(t, dial)
			w := newWorld(t)
			w.load(w.site("headers {\nclient X-Zoom-Client-Id\n}\nprograms {\nclient cli http://127.0.0.1/callback\nregistration on\nclient_documents down.example\n}"))
			b := w.signedIn("user-ada")
			p := w.program().signedInBy(b)
			documented := w.program()
			documented.id = "https://down.example/client.json"

			answered := make(chan *http.Response, 1)
			r := b.request(http.MethodGet, documented.request(), navigate...)
			began := time.Now()
			go func() {
				resp, err := b.client.Do(r)
				if err == nil {
					resp.Body.Close()
				}
				answered <- resp
			}()
			<-asked
			w.program().signedInBy(b).wantUser("user-ada")
			registered := w.program()
			registered.id = registered.register()
			registered.signedInBy(w.signedIn("user-bob"))
			if got := registered.call(http.MethodGet, "/").received(t).Header.Get("X-Zoom-User-Id"); got != "user-bob" {
				t.Errorf("a registered client arrives as %q", got)
			}
			registered.takeTokens(registered.refreshed())
			p.takeTokens(p.refreshed())
			p.wantUser("user-ada")

			resp := <-answered
			if took := time.Since(began); resp == nil || resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" || took > 20*time.Second {
				t.Errorf("its own client got %+v after %s", resp, took)
			}
		})
	}
}

// Attack 9, through the whole site: a document on this machine, or in its network, is
// not read, and nothing is for who has not signed in.
func TestDocumentsOnTheServerItself(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	met := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			met <- struct{}{}
			conn.Close()
		}
	}()
	lookups := make(chan struct{}, 100)
	dialing(t, func(context.Context) (net.Conn, error) {
		lookups <- struct{}{}
		return nil, errors.New("nobody answers")
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port, "169.254.169.254", "10.0.0.1"}
	w := newWorld(t)
	w.load(w.site("programs {\nclient_documents " + strings.Join(hosts, " ") + "\n}"))
	b, p := w.signedIn("user-ada"), w.program()
	for _, host := range hosts {
		p.id = "https://" + host + "/client.json"
		wantRefusal(t, b.open(p.request()), "bad_client")
	}
	// Signed out, even a host that has a name is left alone.
	for _, id := range []string{"https://claude.ai/oauth/claude-code-client-metadata", "https://" + hosts[0] + "/client.json", "https://evil.example/client.json"} {
		p.id = id
		a := w.browser().open(p.request("response_type", "token"))
		if strings.HasPrefix(a.Header.Get("Location"), p.redirect) {
			t.Errorf("%s: sent to %s", id, a.Header.Get("Location"))
		}
	}
	if len(met) > 0 || len(lookups) > 0 {
		t.Errorf("%d connections to this machine, %d look-ups", len(met), len(lookups))
	}
}

// Nobody knows yet where the answer to such a client may go, and what is too long for the
// cookie of a sign-in cannot wait for one: that is the request's fault, and not Zoom's.
func TestLongRequestOfAClientWithADocument(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("programs {\nclient_documents\n}"))
	p := w.program()
	p.id = "https://claude.ai/oauth/claude-code-client-metadata"
	a := w.browser().open(p.request("scope", strings.Repeat("x", 8000)))
	wantRefusal(t, a, "bad_request")
	if a.Header["Set-Cookie"] != nil || strings.Contains(a.body, "xxx") {
		t.Errorf("%v\n%s", a.Header, a.body)
	}
}
