package zoomtest

import (
	"slices"
	"strings"
)

// An App is an OAuth client registered at Zoom.
type App struct {
	// ClientID is made up if empty.
	ClientID string

	// ClientSecret makes a confidential client. A public client, which Zoom
	// gives a client id of its own and no secret, leaves it empty.
	ClientSecret string

	// PublicKeys make an app that brings its own key, "Public Key" in the
	// place of "Client Secret" under App Credentials: its calls to the token
	// and revocation endpoints carry a client assertion, signed with the
	// private key. Its ClientSecret, if there is one, only opens app contexts.
	PublicKeys []PublicKey

	// RedirectURIs are matched exactly, as with Zoom's strict mode; how much
	// looser Zoom is without it is not documented. Only the port of
	// http://127.0.0.1 is ignored, for requests with PKCE.
	RedirectURIs []string

	// Scopes are what its grants hold. Nil means DefaultScopes.
	Scopes []string

	// WebhookURL receives the app's events, signed with WebhookSecret, which
	// is made up if empty.
	WebhookURL    string
	WebhookSecret string

	// DeauthorizationURL receives app_deauthorized events in place of
	// WebhookURL: Zoom describes its Deauthorization Notification Endpoint URL
	// apart from event subscriptions. Empty means WebhookURL.
	DeauthorizationURL string

	// EventClientID is what app_deauthorized events name in place of ClientID.
	// One app at Zoom has several client ids, the one of its public client
	// among them, and an event may name another than the one that signs in.
	EventClientID string
}

// DefaultScopes are the granular scopes for users/me and for ZAK and OBF tokens.
func DefaultScopes() []string {
	return []string{"user:read:user", "user:read:zak", "user:read:token"}
}

// AddApp registers an app, replacing one with the same client id, and returns
// it with everything filled in. Changing the returned value has no effect. It
// panics for a public key that Zoom would not take.
func (s *Server) AddApp(app App) *App {
	for _, key := range app.PublicKeys {
		if !key.acceptable() {
			panic("zoomtest: a public key is RSA of 2,048 bits or more, or P-256")
		}
	}
	if app.ClientID == "" {
		app.ClientID = randomHex(11)
	}
	if app.WebhookSecret == "" {
		app.WebhookSecret = randomHex(11)
	}
	if app.Scopes == nil {
		app.Scopes = DefaultScopes()
	}
	app.RedirectURIs = slices.Clone(app.RedirectURIs)
	app.Scopes = slices.Clone(app.Scopes)
	app.PublicKeys = slices.Clone(app.PublicKeys)

	s.mu.Lock()
	defer s.mu.Unlock()
	stored := app
	s.apps[app.ClientID] = &stored
	return &app
}

// SetScopes changes the scopes of an app. Grants keep what they hold: adding a
// scope never upgrades existing tokens. Taking one away ends the refreshing of
// grants that hold it, which is Zoom's error 4711 for refresh tokens.
func (s *Server) SetScopes(clientID string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app := s.apps[clientID]; app != nil {
		app.Scopes = slices.Clone(scopes)
	}
}

// RemoveScope takes one scope away from an app, like SetScopes without it.
func (s *Server) RemoveScope(clientID, scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if app := s.apps[clientID]; app != nil {
		app.Scopes = slices.DeleteFunc(slices.Clone(app.Scopes), func(have string) bool {
			return have == scope
		})
	}
}

func (a *App) public() bool {
	return a.ClientSecret == "" && len(a.PublicKeys) == 0
}

// allows reports whether uri is registered.
func (a *App) allows(uri string, pkce bool) bool {
	if slices.Contains(a.RedirectURIs, uri) {
		return true
	}
	path, ok := loopbackPath(uri)
	return ok && pkce && slices.ContainsFunc(a.RedirectURIs, func(registered string) bool {
		registeredPath, ok := loopbackPath(registered)
		return ok && path == registeredPath
	})
}

// loopbackPath returns what follows the port of an http://127.0.0.1 URL. Zoom
// ignores the port of these (its changelog, pkce-loopback), and only of these:
// localhost is not among them.
func loopbackPath(uri string) (path string, ok bool) {
	path, ok = strings.CutPrefix(uri, "http://127.0.0.1")
	if port, found := strings.CutPrefix(path, ":"); found {
		path = strings.TrimLeft(port, "0123456789")
	}
	return path, ok
}
