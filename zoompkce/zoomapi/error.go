package zoomapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Call names a call to Zoom, in errors and as a metric label: CallCode, CallRefresh,
// CallRevoke, CallMe, CallZAK, CallOBF or CallDeeplink.
type Call string

// The calls a Client makes.
const (
	CallCode     Call = "code"     // exchange of an authorization code
	CallRefresh  Call = "refresh"  // exchange of a refresh token
	CallRevoke   Call = "revoke"   // end of a token's life
	CallMe       Call = "me"       // the profile of the user
	CallZAK      Call = "zak"      // a Zoom access key
	CallOBF      Call = "obf"      // an on-behalf-of token
	CallDeeplink Call = "deeplink" // where to open the app in Zoom's client
)

// Kind says what an Error means for the caller. Zoom's numeric codes are not
// tied to an HTTP status and its texts change, so callers decide on this alone.
type Kind int

// The kinds of errors.
const (
	// KindUnknown is the kind of errors that did not come from a call to Zoom.
	KindUnknown Kind = iota
	// KindInvalidGrant: the code or refresh token is used, expired or revoked,
	// or the verifier does not fit. Final; only a new sign-in helps.
	KindInvalidGrant
	// KindInvalidClient: Zoom does not accept the app: client id or secret are
	// wrong, or it is disabled, or it may not use this grant. An operator must
	// act; tokens are unharmed.
	KindInvalidClient
	// KindRedirectMismatch: the redirect URI is not the registered one or not
	// the one of the authorization request. An operator must act.
	KindRedirectMismatch
	// KindUnauthorized: the API does not accept the access token, because it is
	// expired or revoked. One refresh may help.
	KindUnauthorized
	// KindMissingScope: the token lacks a scope; Scopes names it. A new sign-in
	// helps once the app has the scope: existing tokens never gain one.
	KindMissingScope
	// KindUnknownUser: the user does not exist at Zoom.
	KindUnknownUser
	// KindRateLimited: too many calls; RetryAfter says how long to wait.
	KindRateLimited
	// KindUnavailable: no answer, or one that says that Zoom is in trouble. It
	// is not known whether the call took effect.
	KindUnavailable
	// KindNonsense: an answer that cannot be acted on: a redirect, HTML, more
	// than 1 MiB, a missing or malformed field, a refusal of no known kind.
	KindNonsense
)

var kindNames = map[Kind]string{
	KindUnknown: "unknown", KindInvalidGrant: "invalid_grant", KindInvalidClient: "invalid_client",
	KindRedirectMismatch: "redirect_mismatch", KindUnauthorized: "unauthorized", KindMissingScope: "missing_scope",
	KindUnknownUser: "unknown_user", KindRateLimited: "rate_limited", KindUnavailable: "unavailable", KindNonsense: "nonsense",
}

// String returns the kind in snake_case, for logs and metric labels.
func (k Kind) String() string {
	return cmp.Or(kindNames[k], kindNames[KindUnknown])
}

// KindOf returns the kind of an error of a Client, KindUnknown for any other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindUnknown
}

// Error is a call to Zoom that failed. None of its fields, and so nothing it
// prints, holds text that Zoom chose freely: Zoom's reason can repeat the
// authorization code.
type Error struct {
	// Call is the call that failed.
	Call Call
	// Status is the HTTP status of the answer, 0 without a complete answer.
	Status int
	// Code is the number in the answer, 0 without one.
	Code int
	// OAuthError is the error word of RFC 6749 in the answer, "other" for a
	// word that RFC does not know, empty without one.
	OAuthError string
	// Kind is what the error means.
	Kind Kind
	// Scopes are the scopes that the token lacks, as far as Zoom names them.
	Scopes []string
	// RetryAfter is how long Zoom wants to be left alone, at most 24 h; 0 if it
	// did not say.
	RetryAfter time.Duration
	// Daily is set when a daily limit is used up: trying again before
	// RetryAfter is pointless.
	Daily bool
	// TrackingID is what Zoom's support asks for.
	TrackingID string
	// Err is the cause when there was no answer, or an unreadable one.
	Err error
}

// Error describes the failure without any text chosen by Zoom.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "calling zoom (%s): %s", e.Call, strings.ReplaceAll(e.Kind.String(), "_", " "))
	if len(e.Scopes) > 0 {
		fmt.Fprintf(&b, " %s", strings.Join(e.Scopes, " "))
	}
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != 0 {
		facts = append(facts, fmt.Sprintf("code %d", e.Code))
	}
	if e.OAuthError != "" {
		facts = append(facts, "error "+e.OAuthError)
	}
	if e.TrackingID != "" {
		facts = append(facts, "tracking id "+e.TrackingID)
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(facts, ", "))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause, so that errors.Is finds context.Canceled.
func (e *Error) Unwrap() error { return e.Err }

// transportError is the error of a call that got no complete answer.
func transportError(call Call, err error) *Error {
	e := &Error{Call: call, Kind: KindUnavailable, Err: transportCause(err)}
	if errors.Is(err, errOversized) {
		e.Kind = KindNonsense
	}
	return e
}

// transportCause keeps the causes whose text is known to be harmless. Others
// can quote the URL of the request or bytes of a malformed answer, in which a
// peer could repeat the code or the token it was sent.
func transportCause(err error) error {
	for _, known := range []error{
		errOversized, context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF, http.ErrSchemeMismatch,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	if cause, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cause
	}
	if cause, ok := errors.AsType[*net.OpError](err); ok {
		return cause
	}
	for next := err; next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return fmt.Errorf("http exchange failed (%T)", err)
}

var _ error = (*Error)(nil)
