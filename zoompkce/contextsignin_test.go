package zoompkce_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Who leaves while a context is noted as used is not signed in by it.
func TestAppContextOfAUserWhoLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		note := w.store.hold("swap", true)
		done := async(func() error {
			_, err := q.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
			return err
		})
		<-note.arrived
		w.must(p.SignOut(ctx, b.header()))
		close(note.release)
		if err := <-done; !errors.Is(err, zoompkce.ErrNoGrant) {
			w.Errorf("%v", err)
		}
	})
}

// What the store does not answer for opens nothing, and is told as trouble.
func TestAppContextInStoreTrouble(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(secrets())
		p.signIn("ada")
		in := func(id string) error {
			_, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: id})
			return err
		}
		for n, at := range []string{"the secret", "the record", "the note", "the record again", "the session"} {
			if n > 0 {
				w.store.pass("any", n)
			}
			w.store.fail("any", 1)
			if err := in(at); !errors.As(err, new(*zoompkce.StoreError)) || len(p.outcomes(zoompkce.EventStoreError)) != n+1 {
				w.Errorf("at %s: %v, told of %q", at, err, p.outcomes(zoompkce.EventStoreError))
			}
		}
		if _, err := p.SignInFromContext(ctx, zoomapi.AppContext{ID: "a guest's"}); !errors.Is(err, zoompkce.ErrNoGrant) {
			w.Errorf("a guest: %v", err)
		}
		w.must(in("then it works"))
		if n := len(p.outcomes(zoompkce.EventSignedIn)); n != 2 {
			w.Errorf("told of %d sign-ins", n)
		}
	})
}

// An app context opens one session, however many processes get it at once.
func TestAppContextIsUsedOnce(t *testing.T) {
	const redirectURI, secret = "https://app.example.com/zoom_pkce/callback", "client-secret"
	zoom := zoomtest.NewUnstartedServer()
	defer zoom.Close()
	app := zoom.AddApp(zoomtest.App{ClientSecret: secret, RedirectURIs: []string{redirectURI}})
	zoom.AddUser(zoomtest.User{ID: "user-ada"})
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: app.ClientID, ClientSecret: secret, OAuthURL: zoom.URL, APIURL: zoom.URL, HTTPClient: zoom.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	var processes []*zoompkce.Manager
	for range 3 {
		m, err := zoompkce.NewManager(zoompkce.ManagerConfig{Client: client, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		processes = append(processes, m)
	}
	open := func() zoomapi.AppContext {
		header := zoom.AppContext(app.ClientID, zoomtest.AppContext{UID: "user-ada"})
		c, err := zoomapi.OpenAppContext(app.ClientID, secret, header, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	if _, err := processes[0].SignInFromContext(t.Context(), open()); !errors.Is(err, zoompkce.ErrNoGrant) {
		t.Fatalf("a user never seen: %v", err)
	}
	m := processes[0]
	login, cookies, err := m.BeginLogin(t.Context(), nil, zoompkce.LoginRequest{RedirectURI: redirectURI, ReturnURL: "/"})
	if err != nil || len(cookies) != 1 {
		t.Fatal(err, cookies)
	}
	callback, err := zoom.SignIn(t.Context(), m.AuthorizeURL(login), "user-ada")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	first, err := m.SignIn(t.Context(), login, u.Query().Get("code"), nil)
	if err != nil {
		t.Fatal(err)
	}

	c := open()
	errs := make(chan error, 30)
	var wait sync.WaitGroup
	for n := range cap(errs) {
		wait.Go(func() {
			_, err := processes[n%len(processes)].SignInFromContext(t.Context(), c)
			errs <- err
		})
	}
	wait.Wait()
	close(errs)
	opened := 0
	for err := range errs {
		if err == nil {
			opened++
		} else if !errors.Is(err, zoompkce.ErrContextUsed) {
			t.Error(err)
		}
	}
	if opened != 1 {
		t.Errorf("%d sessions were opened", opened)
	}

	// A sign-out that leaves sessions open leaves the way in open, the last does not.
	if err := m.SignOut(t.Context(), []string{first.Cookie.Name + "=" + first.Cookie.Value}); err != nil {
		t.Fatal(err)
	}
	if _, err := processes[1].SignInFromContext(t.Context(), open()); err != nil {
		t.Error(err)
	}
	if ended, err := m.EndUser(t.Context(), "user-ada", time.Time{}); err != nil || !ended {
		t.Fatal(ended, err)
	}
	if _, err := processes[2].SignInFromContext(t.Context(), open()); !errors.Is(err, zoompkce.ErrNoGrant) {
		t.Errorf("after the end: %v", err)
	}
	m.Close()
	if _, err := m.SignInFromContext(t.Context(), open()); !errors.As(err, new(*zoompkce.StoreError)) {
		t.Errorf("a closed manager: %v", err)
	}
}
