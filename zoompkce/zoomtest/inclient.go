package zoomtest

import (
	"errors"
	"slices"
)

// OnAuthorized is the event the Zoom client sends to a Zoom App when its
// authorize call ends, as in @zoom/appssdk.
type OnAuthorized struct {
	Code        string `json:"code"`
	RedirectURI string `json:"redirectUri"`
	Result      bool   `json:"result"` // false: the user declined
	State       string `json:"state,omitempty"`
	Timestamp   int64  `json:"timestamp"` // Unix seconds
}

// InClientAuthorize is zoomSdk.authorize in a Zoom App: the user, signed in to
// the Zoom client, allows the app without a browser. redirectURI is the page
// that calls, hash included, and must be registered exactly.
//
// The SDK has no way to name a challenge method, so Zoom takes the challenge
// as plain: it must equal the verifier (developer forum, topic 77062). At the
// exchange the redirect URI may be left out; another one is refused.
func (s *Server) InClientAuthorize(clientID, userID, codeChallenge, state, redirectURI string) (OnAuthorized, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[clientID]
	switch {
	case app == nil:
		return OnAuthorized{}, errNoApp(clientID)
	case s.users[userID] == nil:
		return OnAuthorized{}, errNoUser(userID)
	case codeChallenge == "":
		return OnAuthorized{}, errors.New("authorize needs a codeChallenge")
	case !slices.Contains(app.RedirectURIs, redirectURI):
		return OnAuthorized{}, errors.New("the page is not on the app's OAuth allow list: " + redirectURI)
	}
	event := s.onAuthorized(state, redirectURI)
	event.Result = true
	event.Code = s.issueCode(code{
		clientID:    clientID,
		userID:      userID,
		redirectURI: redirectURI,
		challenge:   codeChallenge,
		method:      "plain",
		scopes:      slices.Clone(app.Scopes),
		inClient:    true,
	})
	return event, nil
}

// InClientDecline is the event after the user declined.
func (s *Server) InClientDecline(state, redirectURI string) OnAuthorized {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onAuthorized(state, redirectURI)
}

func (s *Server) onAuthorized(state, redirectURI string) OnAuthorized {
	if s.OmitInClientState {
		state = ""
	}
	return OnAuthorized{RedirectURI: redirectURI, State: state, Timestamp: s.now().Unix()}
}

func errNoApp(clientID string) error {
	return errors.New("there is no app with client id " + clientID)
}

func errNoUser(userID string) error {
	return errors.New("there is no user with id " + userID)
}
