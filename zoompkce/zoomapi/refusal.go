package zoomapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	errNotJSON = errors.New("the answer is not a JSON object")

	missingScopes = regexp.MustCompile(`does not contain scopes:?\s*\[([^\]]*)`)
	trackingID    = regexp.MustCompile(`^[A-Za-z0-9._=;:/+-]{1,128}$`)
	scopeName     = regexp.MustCompile(`^[A-Za-z0-9_:./-]{1,100}$`)
)

// IsOAuthError reports whether word is an error word of RFC 6749, sections 4.1.2.1
// and 5.2: these alone can be logged of what a visitor brings to the callback.
func IsOAuthError(word string) bool {
	switch word {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable":
		return true
	}
	return false
}

func malformed(field string) error { return fmt.Errorf("%s is missing or malformed", field) }

func nonsense(call Call, a *answer, cause error) *Error {
	e := newError(call, a)
	e.Kind, e.Err = KindNonsense, cause
	return e
}

func newError(call Call, a *answer) *Error {
	e := &Error{Call: call, Status: a.status, Kind: KindNonsense}
	if id := a.header.Get("X-Zm-Trackingid"); trackingID.MatchString(id) {
		e.TrackingID = id
	}
	return e
}

// refusal holds what Zoom's error shapes say. The token endpoint answers
// {"reason": text, "error": word}, the API {"code": number, "message": text},
// the authorization page {"errorCode": number, "errorMessage": text}; proxies
// and older versions mix them, so all are read everywhere. The text is looked
// at and then dropped.
type refusal struct {
	word   string
	code   int
	text   string // reason or whichever text there is
	reason string
}

func readRefusal(body []byte) (r refusal, ok bool) {
	var wire struct {
		Error        json.RawMessage `json:"error"`
		Reason       json.RawMessage `json:"reason"`
		Code         json.RawMessage `json:"code"`
		Message      json.RawMessage `json:"message"`
		ErrorCode    json.RawMessage `json:"errorCode"`
		ErrorMessage json.RawMessage `json:"errorMessage"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return refusal{}, false
	}
	r.word, r.reason = jsonText(wire.Error), jsonText(wire.Reason)
	for _, raw := range []json.RawMessage{wire.Code, wire.ErrorCode} {
		if r.code == 0 {
			if n := uint64(jsonInt(raw)); n < 1e6 {
				r.code = int(n)
			}
		}
	}
	for _, raw := range []json.RawMessage{wire.Message, wire.Reason, wire.ErrorMessage} {
		if r.text == "" {
			r.text = jsonText(raw)
		}
	}
	return r, true
}

// apiError reads a refusal of the API. The text about scopes decides first, at
// any status: Zoom has sent it with 400, 401 and 403 and with the codes 4711,
// 4700 and 201. Then the status is believed before the code.
func apiError(call Call, a *answer) *Error {
	e := newError(call, a)
	r, ok := readRefusal(a.body)
	e.fill(r, ok)
	scopes := missingScopes.FindStringSubmatch(r.text)
	switch {
	case scopes != nil || r.code == 4711:
		e.Kind = KindMissingScope
		e.Scopes = scopeNames(scopes)
	case a.status == http.StatusTooManyRequests || r.code == 429:
		e.Kind = KindRateLimited
		e.rateLimit(a, r.text)
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		e.unavailable(a)
	case a.status >= 300 && a.status < 400:
		e.Err = errors.New("the answer is a redirect")
	case r.code == 1001:
		e.Kind = KindUnknownUser
	case a.status == http.StatusUnauthorized:
		e.Kind = KindUnauthorized
	case slices.Contains([]int{124, 4735, 4737, 4738, 4740, 4741}, r.code):
		// The token is expired or invalid (124), or one of Zoom's OAuth errors
		// says that it was disabled, replaced or lost its owner.
		e.Kind = KindUnauthorized
	}
	return e
}

// tokenError reads a refusal of the token or revoke endpoint. A number says
// more than the word and decides first where there is one
// (developers.zoom.us/docs/integrations/oauth-error-messages); a 5xx is never
// final, whatever it says.
func tokenError(call Call, a *answer) *Error {
	e := newError(call, a)
	r, ok := readRefusal(a.body)
	e.fill(r, ok)
	switch {
	case a.status == http.StatusTooManyRequests || r.code == 429:
		e.Kind = KindRateLimited
		e.rateLimit(a, r.text)
		return e
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		e.unavailable(a)
		return e
	case a.status >= 300 && a.status < 400:
		e.Err = errors.New("the answer is a redirect")
		return e
	}
	switch r.code {
	case 4711, 4733, 4734, 4735, 4737, 4738, 4740, 4741:
		// Scopes of the app changed; code expired or invalid; owner gone;
		// token unknown, disabled, out of tolerance or replaced.
		e.Kind = KindInvalidGrant
		return e
	case 4702, 4704, 4705, 4706, 4717:
		// Client id or secret wrong or missing, app gone or disabled, grant
		// type not allowed.
		e.Kind = KindInvalidClient
		return e
	case 4709:
		e.Kind = KindRedirectMismatch
		return e
	case 4732: // the code could not be created
		e.Kind = KindUnavailable
		return e
	}
	// Only the start of a text is looked at: the code follows in it, and a
	// visitor can put any word there.
	text := strings.ToLower(r.text)
	redirect := strings.HasPrefix(text, "invalid redirect") || strings.HasPrefix(text, "redirect")
	switch r.word {
	case "invalid_grant":
		e.Kind = KindInvalidGrant
		if redirect && call == CallCode {
			e.Kind = KindRedirectMismatch
		}
	case "invalid_client", "unauthorized_client", "unsupported_grant_type":
		e.Kind = KindInvalidClient
	case "server_error", "temporarily_unavailable":
		e.unavailable(a)
	case "invalid_request", "":
		switch {
		case call == CallCode && strings.HasPrefix(text, "invalid authorization code"): // seen in 2020
			e.Kind = KindInvalidGrant
		case call == CallRefresh && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized) &&
			strings.HasPrefix(strings.ToLower(r.reason), "invalid token"):
			// A spent refresh token, with 401 before August 2022; other answers with this
			// word are Zoom's own trouble (tl-its-umich-edu/remote-office-hours-queue#363).
			e.Kind = KindInvalidGrant
		case redirect:
			e.Kind = KindRedirectMismatch
		}
	}
	return e
}

func (e *Error) fill(r refusal, readable bool) {
	if !readable {
		e.Err = errNotJSON
	}
	e.Code = r.code
	if e.OAuthError = r.word; r.word != "" && !IsOAuthError(r.word) {
		e.OAuthError = "other"
	}
}

func (e *Error) unavailable(a *answer) {
	e.Kind, e.Err = KindUnavailable, nil
	e.RetryAfter, _ = parseRetryAfter(a.header, a.at)
}

// scopeNames returns the names in a match of missingScopes, at most 20. They
// are shown to operators and users, so anything that is not a name is dropped.
func scopeNames(match []string) (names []string) {
	if match == nil {
		return nil
	}
	for name := range strings.FieldsFuncSeq(match[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		if name = strings.TrimRight(name, "."); scopeName.MatchString(name) && len(names) < 20 {
			names = append(names, name)
		}
	}
	return names
}

// jsonText returns the string in raw, empty if it is none: a field of an
// unexpected type must not make the rest of an answer unreadable. Tokens are long and
// have nothing to unquote.
func jsonText(raw json.RawMessage) (s string) {
	if len(raw) >= 2 && raw[0] == '"' && !bytes.ContainsFunc(raw, quoted) {
		return string(raw[1 : len(raw)-1])
	}
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// quoted reports whether a character of a JSON string may stand for another one.
func quoted(r rune) bool { return r == '\\' || r > '~' }

// jsonInt returns the number in raw, written as number or as string, or the nearest
// there is room for; 0 if it is none.
func jsonInt(raw json.RawMessage) int64 {
	n, _ := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	return n
}
