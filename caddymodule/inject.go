package caddymodule

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// grants are the credentials one request is given.
type grants struct {
	accessToken string
	zak         string
	zakError    outcome.Code // why there is no ZAK
	obf         string
	client      string // of the program that sent the request
}

// fetch gets the credentials a request is promised. An error means that the
// request cannot go on.
func (s *site) fetch(r *http.Request, v *visit, session *zoompkce.Session) (g grants, err error) {
	if s.headers.client != "" {
		g.client = s.clientOf(session)
	}
	if err := s.fetchZAK(r, v, session, &g); err != nil {
		return g, err
	}
	if err := s.fetchOBF(r, session, &g); err != nil {
		return g, err
	}
	// Taken last: where Zoom refused the token for a ZAK or an OBF token, it was
	// refreshed. Without its header it is still kept alive: the session lives by it.
	token, err := s.manager.AccessToken(r.Context(), session)
	if err != nil || s.headers.accessToken == "" {
		return g, err
	}
	if match, err := matchEither(s.tokenFor, r); !match || err != nil {
		return g, err
	}
	g.accessToken = token
	return g, nil
}

func (s *site) fetchZAK(r *http.Request, v *visit, session *zoompkce.Session, g *grants) error {
	if s.zak == nil {
		return nil
	}
	if match, err := matchEither(s.zakFor, r); !match || err != nil {
		return err
	}
	zak, err := s.zakOf(r, v, session)
	switch {
	case err == nil:
		g.zak = zak
	case s.zak.fail, isSignedOut(err):
		return zakError{err}
	default:
		f := refusalOf(zakError{err})
		g.zakError = f.code
		s.logStep(r, zap.DebugLevel, "a request goes on without a ZAK", f)
	}
	return nil
}

func (s *site) fetchOBF(r *http.Request, session *zoompkce.Session, g *grants) error {
	if s.obf == nil {
		return nil
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	meeting, ok := zoomapi.MeetingNumber(repl.ReplaceAll(s.obf.meetingID, ""))
	if !ok {
		return nil
	}
	obf, err := s.manager.OBF(r.Context(), session, meeting, s.obf.policy())
	if err != nil && (s.obf.fail || isSignedOut(err)) {
		return zakError{err}
	}
	g.obf = obf.Token
	return nil
}

// isSignedOut reports whether Zoom has ended the visitor's grant meanwhile. What
// else a request would get is then worth nothing either.
func isSignedOut(err error) bool { return errors.As(err, new(*zoompkce.NoSessionError)) }

// zakError is a failure to get a ZAK or an OBF token. It is no reason to doubt
// the session.
type zakError struct{ error }

func (e zakError) Unwrap() error { return e.error }

// inject sets the headers and placeholders of a signed-in visitor. All values
// come from Zoom or from us, and are set as they are: none is put through the replacer.
func (s *site) inject(r *http.Request, v *visit, p zoomapi.Profile, g grants) {
	if g.accessToken != "" {
		g.accessToken = s.headers.tokenPrefix + g.accessToken
	}
	sent := promised{
		g.accessToken, p.ID, p.AccountID, encodeHeaderText(p.Email), encodeHeaderText(p.Name), g.zak, string(g.zakError), g.obf, g.client,
	}
	values := v.values()
	in := injected{names: &s.names}
	for i, value := range sent {
		if name := s.names[i]; name != "" && value != "" {
			values = append(values, value)
			r.Header[name] = values[len(values)-1 : len(values) : len(values)]
			in.set |= 1 << i
		}
	}
	v.injected = append(v.injected, in)
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		v.identify(repl, p)
	}
}

// identify makes the placeholders {http.auth.user.*} tell of the visitor. Few
// requests ask for them, so they are looked up instead of being set; what an earlier
// gate has set goes, since it would be found first.
func (v *visit) identify(repl *caddy.Replacer, p zoomapi.Profile) {
	v.profile = p
	for _, name := range [...]string{placeholderID, placeholderAccountID, placeholderEmail, placeholderName} {
		repl.Delete(name)
	}
	if !v.identified {
		v.identified = true
		repl.Map(v.placeholder)
	}
}

const (
	placeholderID        = "http.auth.user.id"
	placeholderAccountID = "http.auth.user.account_id"
	placeholderEmail     = "http.auth.user.email"
	placeholderName      = "http.auth.user.name"
)

func (v *visit) placeholder(name string) (any, bool) {
	switch name {
	case placeholderID:
		return v.profile.ID, true
	case placeholderAccountID:
		return v.profile.AccountID, true
	case placeholderEmail:
		return v.profile.Email, true
	case placeholderName:
		return pages.WithoutControls(v.profile.Name), true
	}
	return nil, false
}

// encodeHeaderText makes any text a header value: bytes outside printable
// ASCII, and the percent sign, are percent-encoded, so that decodeURIComponent
// gives the text back. So is a space at either end, which HTTP would drop
// (RFC 9110, section 5.5).
func encodeHeaderText(text string) string {
	plain := func(i int) bool {
		c := text[i]
		return c > ' ' && c <= '~' && c != '%' || c == ' ' && i > 0 && i < len(text)-1
	}
	extra := 0
	for i := range len(text) {
		if !plain(i) {
			extra += 2
		}
	}
	if extra == 0 {
		return text
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text) + extra)
	for i := range len(text) {
		if c := text[i]; plain(i) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
