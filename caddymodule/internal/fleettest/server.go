// Package fleettest plays people at several processes that share a session store,
// and says where one of them is not given what was promised. Which store that is, and what
// trouble it has, is up to the test that plays. Nothing but tests imports it.
package fleettest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	// SyncInterval is how old a record in the memory of a process may be.
	SyncInterval = time.Second

	zoomTimeout = 3 * time.Second
	callbackURI = "https://app.example/zoom_pkce/callback"
	secret      = "the secret that all processes have"
)

// member is what a process has to know.
type member struct {
	Name         string
	ZoomURL      string
	ClientID     string
	ClientSecret string
}

// server is a process as people see it.
type server struct {
	*zoompkce.Manager
	memory *zoompkce.Memory
	store  *watchedStore
	http.ServeMux
}

func newServer(m member, store *watchedStore) (*server, error) {
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: m.ClientID, ClientSecret: m.ClientSecret, OAuthURL: m.ZoomURL, Timeout: zoomTimeout,
		HTTPClient: &http.Client{Transport: signed(m.Name)},
	})
	if err != nil {
		return nil, err
	}
	s := &server{memory: zoompkce.NewMemory(), store: store}
	s.Manager, err = zoompkce.NewManager(zoompkce.ManagerConfig{
		Client: client, Store: store, Memory: s.memory, Secrets: [][]byte{[]byte(secret)}, SyncInterval: SyncInterval,
		MaxSessions: 10_000, // sign-ins and sign-outs that fail leave some
	})
	s.HandleFunc("GET /login", s.login)
	s.HandleFunc("GET /zoom_pkce/callback", s.callback)
	s.HandleFunc("GET /{$}", s.ask)
	s.HandleFunc("POST /logout", s.logout)
	s.HandleFunc("DELETE /users/{user}", s.end)
	s.HandleFunc("GET /users/{user}", s.status)
	s.HandleFunc("GET /unsaved", s.unsaved)
	return s, err
}

// signed is the name with which a process signs its calls to Zoom.
type signed string

const signature = "X-Process"

func (name signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(signature, string(name))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil && r.URL.Path == tokenPath {
		if body, err := r.GetBody(); err == nil {
			lost, err := http.Post(r.URL.ResolveReference(&url.URL{Path: lostPath}).String(), r.Header.Get("Content-Type"), body)
			if err == nil {
				lost.Body.Close()
			}
		}
	}
	return resp, err
}

const (
	tokenPath  = "/oauth/token"
	revokePath = "/oauth/revoke"
	lostPath   = "/lost" // a process has not heard what came for this
)

func (s *server) close() {
	s.Close()
	s.memory.Close()
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	l, cookies, err := s.BeginLogin(r.Context(), r.Header["Cookie"], zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
	if err != nil {
		refuse(w, err)
		return
	}
	for _, c := range cookies {
		http.SetCookie(w, c)
	}
	http.Redirect(w, r, s.AuthorizeURL(l), http.StatusSeeOther)
}

func (s *server) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	l, err := s.PendingLogin(r.Context(), r.Header["Cookie"], zoompkce.BrowserFlow, query.Get("state"))
	if err != nil {
		refuse(w, err)
		return
	}
	in, err := s.SignIn(r.Context(), l, query.Get("code"), r.Header["Cookie"])
	if err != nil {
		refuse(w, err)
		return
	}
	http.SetCookie(w, in.Cookie)
}

// asked is the answer to a request for the page.
type asked struct {
	User, Token   string // of whom is let in
	Reason        string // for whom is not
	Clear         bool
	Before, After reads // of the record, as the request came and as it was answered
}

func (s *server) ask(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("X-User")
	answer := asked{Before: s.store.reads(user)}
	session, err := s.Session(r.Context(), r.Header["Cookie"])
	if err == nil {
		answer.User = session.Profile().ID
		_, err = s.ZAK(r.Context(), session, zoompkce.ZAKPolicy{})
	}
	if err == nil {
		answer.Token, err = s.AccessToken(r.Context(), session)
	}
	answer.After = s.store.reads(user)
	none, out := errors.AsType[*zoompkce.NoSessionError](err)
	switch {
	case out:
		answer.Reason, answer.Clear = none.Error(), none.Clear
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.SignOut(r.Context(), r.Header["Cookie"]); err != nil {
		refuse(w, err)
	}
}

func (s *server) end(w http.ResponseWriter, r *http.Request) {
	if _, err := s.EndUser(r.Context(), r.PathValue("user"), time.Time{}); err != nil {
		refuse(w, err)
	}
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	status, err := s.UserStatus(r.Context(), r.PathValue("user"))
	if err != nil {
		refuse(w, err)
		return
	}
	_ = json.NewEncoder(w).Encode(status)
}

func (s *server) unsaved(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(s.memory.UnsavedUsers())
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
		status = http.StatusConflict
	}
	http.Error(w, err.Error(), status)
}
