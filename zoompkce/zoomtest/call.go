package zoomtest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Call is one kind of call to Zoom, the unit of counting, failing and holding.
type Call string

// The kinds of calls.
const (
	// CallAny stands for every kind of call.
	CallAny Call = "any"

	CallAuthorize Call = "authorize"  // GET /oauth/authorize
	CallConsent   Call = "consent"    // POST /oauth/consent, the consent page's form
	CallCode      Call = "code"       // POST /oauth/token, grant_type=authorization_code
	CallRefresh   Call = "refresh"    // POST /oauth/token, grant_type=refresh_token
	CallToken     Call = "token"      // POST /oauth/token, any other grant_type
	CallRevoke    Call = "revoke"     // POST /oauth/revoke
	CallMe        Call = "me"         // GET /v2/users/me
	CallZAK       Call = "zak"        // GET /v2/users/me/zak
	CallZAKToken  Call = "zak_token"  // GET /v2/users/me/token?type=zak
	CallOBF       Call = "obf"        // GET /v2/users/me/token?type=onbehalf
	CallUserToken Call = "user_token" // GET /v2/users/me/token, any other type
	CallDeeplink  Call = "deeplink"   // POST /v2/zoomapp/deeplink
	CallDownload  Call = "download"   // GET /rec/download/{id}, the file of a recording
	CallOther     Call = "other"      // anything else
)

// maxRecorded is how many calls of a kind are remembered.
const maxRecorded = 1000

// A RecordedRequest is a call as it arrived.
type RecordedRequest struct {
	Call   Call
	UserID string    // whose code or token came with it, or who answered the consent page; empty if unknown
	Time   time.Time // on the server's clock
	Method string
	Host   string
	Path   string
	Query  url.Values
	Form   url.Values // of the body only
	Header http.Header
	Body   []byte
}

// Count returns how many calls of a kind have arrived, answered or not.
func (s *Server) Count(call Call) int {
	return s.CountUser(call, "")
}

// CountUser is Count of the calls for one user, told by the code or token that
// came with them. The empty id stands for everybody.
func (s *Server) CountUser(call Call, userID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[callUser{call, userID}]
}

// ResetCounts forgets all counts and recorded requests.
func (s *Server) ResetCounts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.counts)
	clear(s.recorded)
}

// Requests returns the calls of a kind, oldest first, the last 1,000 at most.
// They are shared: do not modify them.
func (s *Server) Requests(call Call) []RecordedRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.recorded[call])
}

// record counts and remembers a call that has just arrived.
func (s *Server) record(q *request) {
	r := RecordedRequest{
		Call:   q.call,
		UserID: q.userID,
		Time:   s.now(),
		Method: q.Method,
		Host:   q.Host,
		Path:   q.URL.Path,
		Query:  q.query,
		Form:   q.form,
		Header: q.Header.Clone(),
		Body:   q.body,
	}
	for _, call := range []Call{q.call, CallAny} {
		s.counts[callUser{call, ""}]++
		if q.userID != "" {
			s.counts[callUser{call, q.userID}]++
		}
		list := append(s.recorded[call], r)
		s.recorded[call] = list[max(0, len(list)-maxRecorded):]
	}
}

// classify names the kind of call by its path and the one parameter that tells
// calls to one path apart.
func classify(path string, params url.Values) Call {
	switch path {
	case "/oauth/authorize":
		return CallAuthorize
	case "/oauth/consent":
		return CallConsent
	case "/oauth/token":
		switch params.Get("grant_type") {
		case "authorization_code":
			return CallCode
		case "refresh_token":
			return CallRefresh
		}
		return CallToken
	case "/oauth/revoke":
		return CallRevoke
	case "/v2/zoomapp/deeplink":
		return CallDeeplink
	}
	_, tail, ok := cutUserPath(path)
	switch {
	case strings.HasPrefix(path, downloadPath):
		return CallDownload
	case ok && tail == "":
		return CallMe
	case ok && tail == "zak":
		return CallZAK
	case ok && tail == "token":
		switch params.Get("type") {
		case "zak":
			return CallZAKToken
		case "onbehalf":
			return CallOBF
		}
		return CallUserToken
	}
	return CallOther
}

// cutUserPath splits /v2/users/{id} and /v2/users/{id}/{tail}.
func cutUserPath(path string) (id, tail string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v2/users/")
	if !ok {
		return "", "", false
	}
	id, tail, slash := strings.Cut(rest, "/")
	if id == "" || slash && tail == "" {
		return "", "", false
	}
	return id, tail, true
}
