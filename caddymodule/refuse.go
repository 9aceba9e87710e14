package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/returnurl"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// refusal is an answer other than what was asked for.
type refusal struct {
	code       outcome.Code
	err        error         // for the log
	retryAfter time.Duration // 0: nobody knows
	scopes     []string      // that Zoom found missing
	returnURL  string        // where a sign-in from here leads; default: the page itself
	page       *pages.Page   // default: the page of the code
	detail     string        // in JSON; default: the sentence of the code
	framed     bool          // the page may be shown in a frame
	asJSON     bool          // no page, whoever asks
	unattended bool          // nobody is there who could sign in
}

// refusalOf finds the refusal that an error of the session manager calls for.
func refusalOf(err error) refusal {
	f := refusal{code: outcome.ZoomUnavailable, err: err}
	if errors.As(err, new(*zoompkce.NoSessionError)) || errors.As(err, new(*zoompkce.DeadTokenError)) {
		f.code = outcome.SignInRequired
		return f
	}
	if errors.Is(err, zoompkce.ErrLongLogin) {
		f.code = outcome.BadRequest
		return f
	}
	if errors.Is(err, errNotAllowed) || errors.Is(err, errNoKeys) {
		f.code = outcome.NotAllowed
		return f
	}
	// There is no code for want of memory; what is there to do is the same as for want of
	// the store.
	if errors.As(err, new(*zoompkce.StoreError)) || errors.Is(err, bodies.ErrBusy) {
		f.code = outcome.StoreUnavailable
		return f
	}
	isZAK := errors.As(err, new(zakError))
	zoom, ok := errors.AsType[*zoomapi.Error](err)
	if !ok {
		if isZAK {
			f.code = outcome.ZAKUnavailable
		}
		return f
	}
	f.retryAfter = zoom.RetryAfter
	switch zoom.Kind {
	case zoomapi.KindMissingScope:
		f.code, f.scopes = outcome.MissingScope, zoom.Scopes
	case zoomapi.KindRateLimited:
		f.code = outcome.ZoomRateLimited
	case zoomapi.KindInvalidGrant:
		f.code = outcome.CodeRefused
	case zoomapi.KindInvalidClient, zoomapi.KindRedirectMismatch:
		f.code = outcome.ZoomMisconfigured
	case zoomapi.KindNonsense:
		f.code = outcome.ZoomNonsense
	}
	if isZAK && f.code != outcome.MissingScope && f.code != outcome.ZoomRateLimited {
		f.code = outcome.ZAKUnavailable
	}
	return f
}

// refuse answers with a page where a person is looking, with problem+json
// otherwise, or leaves both to handle_errors.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, f refusal) error {
	requestID := s.tell(r, f)
	refuseBody(w, r)
	if f.code.Status() == http.StatusUnauthorized && s.hasPrograms() {
		s.challenge(w, r)
	}

	// Where errors are handled, the app is often asked: it would take this for an event.
	if !s.errorPages && !s.passesForEvent(r, browser.SentURL(r)) {
		pages.SetRetryAfter(w.Header(), f.code.Status(), f.retryAfter)
		w.Header().Set("Cache-Control", "no-store")
		pages.DropSharedCacheFields(w.Header())
		cause := f.err
		if cause == nil {
			cause = errors.New(string(f.code))
		}
		return caddyhttp.Error(f.code.Status(), cause)
	}
	if f.returnURL == "" {
		f.returnURL = s.returnURL(r)
	}
	security := s.pageSecurity(w, r)
	if f.asJSON || !browser.WantsPage(r) {
		loginURL := ""
		if f.code.HelpsToSignIn() && !f.unattended {
			loginURL = s.loginURL(f.returnURL)
		}
		problem := pages.NewProblem(f.code, requestID, loginURL)
		if f.detail != "" {
			problem.Detail = f.detail
		}
		problem.Write(w, security, f.retryAfter)
		return nil
	}
	if f.framed {
		security.FrameAncestors = pages.FrameAnywhere
	}
	if f.page == nil {
		p := pages.ForCode(f.code, pages.Details{
			RequestID:   requestID,
			SignInURL:   s.loginURL(f.returnURL),
			RetryURL:    f.returnURL,
			Scopes:      f.scopes,
			Credentials: s.credentials(),
			RedirectURI: s.redirectURIOf(r).uri,
			Unopenable:  errors.As(f.err, new(*zoompkce.UnopenableError)),
		})
		f.page = &p
	}
	f.page.RequestID = requestID
	if s.keepFragment && r.Method == http.MethodGet { // to load the page anew sends no form again
		f.page.KeepFragment = s.loginURL("")
	}
	f.page.Write(w, f.code.Status(), security, f.retryAfter)
	return nil
}

// refuseBody tells a client that waits with its body to keep it. net/http
// recognises such a request only as long as nobody has wrapped its body, which
// Caddy does: it would ask for the body, and answer when it has read some of it.
func refuseBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 && r.Header.Get("Expect") != "" {
		w.Header().Set("Connection", "close")
	}
}

// tell makes a refusal known to everybody but the visitor.
func (s *site) tell(r *http.Request, f refusal) (requestID string) {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.zoom_pkce.error", string(f.code))
	s.logRefusal(r, f)
	telemetry.Metrics.Count(string(f.code))
	return requestIDOf(r)
}

// loginURL is where a sign-in begins that leads back to returnURL.
func (s *site) loginURL(returnURL string) string {
	if returnURL == "" || returnURL == "/" {
		return s.pathPrefix + "/login"
	}
	if s.isFrameWindow(returnURL) || strings.HasPrefix(returnURL, s.programRequestURL("")) {
		return returnURL // it begins its own
	}
	return s.pathPrefix + "/login?return_to=" + strings.ReplaceAll(url.QueryEscape(returnURL), "%2F", "/")
}

// scheme is the scheme visitors use, whoever ends TLS.
func (s *site) scheme() string {
	if s.secure {
		return "https"
	}
	return "http"
}

// isDestination reports whether a sign-in may lead back to u. Our own endpoints
// are nobody's destination, also where a browser has to resolve dots to get there, but for
// the page of the user's programs: to open it changes nothing, and it begins no sign-in by
// itself that could go round for ever.
func (s *site) isDestination(u *url.URL) bool {
	readings, all := browser.Readings(u)
	return all && !slices.ContainsFunc(append(readings, u.EscapedPath()), func(path string) bool {
		endpoint, ours := s.endpointAt(path)
		return ours && !(endpoint == "programs" && s.hasPrograms())
	})
}

// returnURL is where a sign-in that this request gives rise to leads back to. An
// address that a form was sent to may take nothing else.
func (s *site) returnURL(r *http.Request) string {
	sent := browser.SentURL(r)
	if !s.isDestination(sent) || browser.Classify(r) == browser.FormPost {
		return "/"
	}
	if s.cookie.domain != "" {
		host := r.Host
		if uri, ok := s.redirectURIFor(host); ok {
			host = uri.host
		}
		return returnurl.OfOn(sent, s.scheme(), host, s.cookie.domain)
	}
	return returnurl.Of(sent)
}

// redirectURIOf is the redirect URI for the host of a request: its own, or the
// first one where a front proxy has put another host in its place.
func (s *site) redirectURIOf(r *http.Request) *redirectURI {
	if uri, ok := s.redirectURIFor(r.Host); ok {
		return uri
	}
	return &s.redirectURIs[0]
}

// bodyRefusal is the answer to a body that could not be read, or makes no sense.
func bodyRefusal(err error) refusal {
	if errors.Is(err, bodies.ErrBusy) {
		return refusalOf(err)
	}
	return refusal{code: outcome.BadRequest, err: err}
}
