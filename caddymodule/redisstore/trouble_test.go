package redisstore

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

var trouble = flag.Duration("trouble", 0, "how long TestSessionsOnRedisInTrouble has trouble")

const troubleCallback = "https://app.example/zoom_pkce/callback"

// fleet is two processes that share a Redis, each behind a network of its own.
type fleet struct {
	*testing.T
	zoom     *zoomtest.Server
	app      *zoomtest.App
	managers []*zoompkce.Manager
	states   []*zoompkce.State

	mu              sync.Mutex
	served, refused int
}

// The protocol of package zoompkce on a real Redis: whoever signed in stays signed
// in while Redis stalls, pauses and loses connections, and whoever signed out is out.
func TestSessionsOnRedisInTrouble(t *testing.T) {
	if *trouble == 0 {
		t.Skip("-trouble says how long")
	}
	server := redistest.Start(t, "--enable-debug-command", "local")
	f := newFleet(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), *trouble)
	defer cancel()
	var group sync.WaitGroup
	for _, user := range []string{"ada", "bob", "cyd"} {
		for n := range 3 {
			group.Go(func() { f.visit(ctx, user, n > 0) })
		}
	}
	group.Go(func() { troubleRedis(ctx, t, server) })
	group.Wait()
	for n, s := range f.states {
		testkit.Eventually(t, "everything to be saved", 20*time.Second, func() bool { return s.UnsavedUsers() == 0 })
		t.Logf("process %d has saved everything", n+1)
	}
	t.Logf("%d requests were served, %d were not", f.served, f.refused)
	if f.served == 0 {
		t.Error("no request was served")
	}
}

func newFleet(t *testing.T, server *redistest.Server) *fleet {
	f := &fleet{T: t, zoom: zoomtest.NewUnstartedServer()}
	t.Cleanup(f.zoom.Close)
	f.app = f.zoom.AddApp(zoomtest.App{ClientSecret: "app-secret", RedirectURIs: []string{troubleCallback}})
	for _, id := range []string{"ada", "bob", "cyd"} {
		f.zoom.AddUser(zoomtest.User{ID: id, AccountID: "acc", Email: id + "@example.com", Verified: 1})
	}
	for range 2 {
		client, err := zoomapi.NewClient(zoomapi.Config{
			ClientID: f.app.ClientID, ClientSecret: f.app.ClientSecret, OAuthURL: f.zoom.URL, HTTPClient: f.zoom.Client(),
		})
		if err != nil {
			t.Fatal(err)
		}
		state := zoompkce.NewState()
		m, err := zoompkce.NewManager(zoompkce.ManagerConfig{
			Client: client, State: state, Secrets: [][]byte{bytes.Repeat([]byte("secret "), 6)}, SyncInterval: time.Second,
			Store: openRedis(t, &Store{URLs: []string{"redis://" + startBadNetwork(t, "127.0.0.1:"+server.Port)}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			m.Close()
			state.Close()
		})
		f.managers, f.states = append(f.managers, m), append(f.states, state)
	}
	return f
}

// visit is one browser: it signs in, asks with ZAKs, whose refusal has the grant
// refreshed, and signs out at times if it leaves.
func (f *fleet) visit(ctx context.Context, user string, leaves bool) {
	var cookie string
	for ctx.Err() == nil {
		m := f.managers[rand.N(len(f.managers))]
		switch x := rand.N(20); {
		case cookie == "":
			cookie = f.signIn(m, user)
		case x == 0 && leaves:
			if m.SignOut(ctx, []string{cookie}) == nil {
				if _, err := m.Session(ctx, []string{cookie}); err == nil {
					f.Errorf("%s has signed out, and is let in by the same process", user)
				}
			}
			cookie = "" // one that failed may have taken effect: Redis was cut off after it
		case x == 1:
			f.zoom.RevokeAccessTokens(f.app.ClientID, user)
		default:
			f.ask(ctx, m, user, cookie)
		}
		time.Sleep(rand.N(40 * time.Millisecond))
	}
}

func (f *fleet) ask(ctx context.Context, m *zoompkce.Manager, user, cookie string) {
	s, err := m.Session(ctx, []string{cookie})
	if err == nil {
		if s.Profile().ID != user {
			f.Errorf("%s is taken for %s", user, s.Profile().ID)
		}
		_, err = m.ZAK(ctx, s, zoompkce.ZAKPolicy{})
	}
	if errors.As(err, new(*zoompkce.NoSessionError)) {
		f.Errorf("%s has signed in, and is out: %v", user, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.served++
	} else {
		f.refused++
	}
}

// signIn returns the cookie, "" if Redis is in trouble.
func (f *fleet) signIn(m *zoompkce.Manager, user string) string {
	l, cookies, err := m.BeginLogin(f.Context(), nil, zoompkce.LoginRequest{RedirectURI: troubleCallback, ReturnURL: "/"})
	if err != nil {
		return ""
	}
	callback, err := f.zoom.SignIn(f.Context(), m.AuthorizeURL(l), user)
	if err != nil {
		f.Error(err)
		return ""
	}
	u, err := url.Parse(callback)
	if err != nil {
		f.Error(err)
		return ""
	}
	var header []string
	for _, c := range cookies {
		header = append(header, pair(c))
	}
	in, err := m.SignIn(f.Context(), l, u.Query().Get("code"), header)
	if err != nil {
		return ""
	}
	return pair(in.Cookie)
}

func pair(c *http.Cookie) string { return c.Name + "=" + c.Value }

// troubleRedis stops Redis for a moment, again and again, in all the ways it has.
func troubleRedis(ctx context.Context, t *testing.T, server *redistest.Server) {
	for n := 0; ctx.Err() == nil; n++ {
		switch n % 3 {
		case 0:
			server.Do(t, "CLIENT", "PAUSE", "700", "ALL")
		case 1:
			server.Do(t, "DEBUG", "SLEEP", "0.4")
		case 2:
			server.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(2 * time.Second)):
		}
	}
}

// startBadNetwork returns the address of what carries everything to a server, with
// delays that have one connection overtake another, and cuts.
func startBadNetwork(t *testing.T, server string) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	t.Cleanup(func() { listener.Close() })
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer client.Close()
				if server, err := net.Dial("tcp", server); err == nil {
					group.Go(func() { carryBadly(server, client) })
					carryBadly(client, server)
				}
			})
		}
	})
	return listener.Addr().String()
}

// carryBadly carries what comes from one end to the other until one of them, or
// chance, has enough.
func carryBadly(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || rand.N(400) == 0 {
			return
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		if rand.N(50) == 0 {
			time.Sleep(rand.N(time.Second))
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
