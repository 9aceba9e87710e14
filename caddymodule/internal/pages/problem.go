package pages

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// Problem is an error answer for programs (RFC 9457).
type Problem struct {
	// What kind of problem this is; always about:blank, since code says it.
	Type string `json:"type"`
	// The text of the HTTP status, as RFC 9457 wishes for about:blank.
	Title string `json:"title"`
	// The HTTP status.
	Status int `json:"status"`
	// What happened, in one sentence for people.
	Detail string `json:"detail,omitempty"`
	// What happened, in one word for programs.
	Code outcome.Code `json:"code"`
	// The request's id, to find it in the logs.
	RequestID string `json:"request_id,omitempty"`
	// Where to send the visitor when signing in would help.
	LoginURL string `json:"login_url,omitempty"`
	// What OAuth calls it, where a program's client looks for that.
	OAuthError string `json:"error,omitempty"`
}

// NewProblem describes c. loginURL stays empty where signing in does not help.
func NewProblem(c outcome.Code, requestID, loginURL string) Problem {
	p := Problem{
		Type:      "about:blank",
		Title:     http.StatusText(c.Status()),
		Status:    c.Status(),
		Detail:    c.Detail(),
		Code:      c,
		RequestID: requestID,
		LoginURL:  loginURL,
	}
	if c == outcome.BadClient {
		// Some clients ask by themselves before they open a browser, and register anew
		// when their id has gone stale: nobody else could tell them (RFC 6749, section
		// 4.1.2.1).
		p.OAuthError = "invalid_client"
	}
	return p
}

// Write sends p. retryAfter is the wait to suggest, see SetRetryAfter.
func (p Problem) Write(w http.ResponseWriter, security Security, retryAfter time.Duration) {
	WriteJSON(w, p.Status, "application/problem+json", p, security, retryAfter)
}

// WriteJSON sends value as an answer of the directive.
func WriteJSON(w http.ResponseWriter, status int, contentType string, value any, security Security, retryAfter time.Duration) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	Write(w, status, contentType, append(body, '\n'), security, retryAfter)
}

// Write sends a body as an answer of the directive.
func Write(w http.ResponseWriter, status int, contentType string, body []byte, security Security, retryAfter time.Duration) {
	SetSecurityHeaders(w.Header(), security)
	SetRetryAfter(w.Header(), status, retryAfter)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// defaultRetryAfter is suggested with a 503 when nobody knows better.
const defaultRetryAfter = 5 * time.Second

// SetRetryAfter tells the client when to come back, in whole seconds. A 503
// always does; other statuses only if wait is given.
func SetRetryAfter(h http.Header, status int, wait time.Duration) {
	if wait <= 0 {
		if status != http.StatusServiceUnavailable {
			return
		}
		wait = defaultRetryAfter
	}
	h.Set("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
}
