package caddymodule

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// problem is an error answer for programs (RFC 9457).
type problem struct {
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
}

// newProblem describes c. loginURL stays empty where signing in does not help.
func newProblem(c outcome.Code, requestID, loginURL string) problem {
	return problem{
		Type:      "about:blank",
		Title:     http.StatusText(c.Status()),
		Status:    c.Status(),
		Detail:    c.Detail(),
		Code:      c,
		RequestID: requestID,
		LoginURL:  loginURL,
	}
}

// write sends p. retryAfter is the wait to suggest, see setRetryAfter.
func (p problem) write(w http.ResponseWriter, security securityOptions, retryAfter time.Duration) {
	writeJSON(w, p.Status, "application/problem+json", p, security, retryAfter)
}

// writeJSON sends value as an answer of the directive.
func writeJSON(w http.ResponseWriter, status int, contentType string, value any, security securityOptions, retryAfter time.Duration) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	body = append(body, '\n')
	setSecurityHeaders(w.Header(), security)
	setRetryAfter(w.Header(), status, retryAfter)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// defaultRetryAfter is suggested with a 503 when nobody knows better.
const defaultRetryAfter = 5 * time.Second

// setRetryAfter tells the client when to come back, in whole seconds. A 503
// always does; other statuses only if wait is given.
func setRetryAfter(h http.Header, status int, wait time.Duration) {
	if wait <= 0 {
		if status != http.StatusServiceUnavailable {
			return
		}
		wait = defaultRetryAfter
	}
	seconds := int64((wait + time.Second - 1) / time.Second)
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
}
