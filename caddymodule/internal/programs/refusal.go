package programs

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// refusal is an error answer of OAuth (RFC 6749, sections 4.1.2.1 and 5.2).
type refusal struct {
	code        string
	description string // for who builds the client; never from the request
}

func (f *refusal) Error() string { return f.code + ": " + f.description }

// The codes of RFC 6749, and invalid_target of RFC 8707 (section 2).
const (
	invalidRequest      = "invalid_request"
	invalidClient       = "invalid_client"
	invalidGrant        = "invalid_grant"
	invalidTarget       = "invalid_target"
	unsupportedGrant    = "unsupported_grant_type"
	unsupportedResponse = "unsupported_response_type"
	accessDenied        = "access_denied"
	temporarily         = "temporarily_unavailable"
)

// ErrNotAllowed means that a user may not use the site any more.
var ErrNotAllowed = errors.New("the user may not use this site")

var errNoClient = &refusal{invalidClient, "the client id is not known here"}

// refusalOf is what a client is told of an error. What is not its fault is
// trouble that may pass: clients that are told server_error, or get a body they
// cannot read, throw their tokens away and open a browser.
func refusalOf(err error) *refusal {
	if f, ok := errors.AsType[*refusal](err); ok {
		return f
	}
	switch {
	case errors.Is(err, ErrNotAllowed), errors.As(err, new(*zoompkce.InvalidGrantError)),
		errors.As(err, new(*zoompkce.NoSessionError)):
		return &refusal{invalidGrant, "it is not valid, or not any more"}
	case errors.Is(err, zoompkce.ErrWrongResource):
		return &refusal{invalidTarget, "it was given for another resource"}
	case errors.Is(err, errUnknownClient):
		return errNoClient
	}
	return &refusal{temporarily, "try again soon"}
}

// refuse answers a program with an error.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := refusalOf(err)
	status := http.StatusBadRequest
	switch f.code {
	case invalidClient:
		status = http.StatusUnauthorized
		if r.Header.Get("Authorization") != "" {
			// Only where it was tried (RFC 6749, section 5.2): some clients do not
			// read the body of an answer that has this field.
			w.Header().Set("WWW-Authenticate", `Basic realm="client"`)
		}
	case temporarily:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	s.writeRefusal(w, status, f)
}

// retryAfter is what is suggested with a 503, in seconds.
const retryAfter = 5

func (s *Server) writeRefusal(w http.ResponseWriter, status int, f *refusal) {
	s.writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{f.code, f.description})
}

func (s *Server) writeError(w http.ResponseWriter, status int, code string) {
	s.writeRefusal(w, status, &refusal{code: code})
}

func (s *Server) wrongMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	s.writeRefusal(w, http.StatusMethodNotAllowed, &refusal{invalidRequest, "the method is not one of " + allowed})
}

// writeJSON answers a program. Every page may read it.
func (s *Server) writeJSON(w http.ResponseWriter, status int, value any) {
	body, _ := json.Marshal(value) // texts, numbers and lists
	h := w.Header()
	s.Site.SetHeaders(h)
	allowAnyOrigin(h)
	h.Set("Content-Type", "application/json")
	h.Set("Pragma", "no-cache") // RFC 6749, section 5.1
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
