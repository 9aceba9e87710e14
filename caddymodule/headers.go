package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/include"
)

// Headers configures the request headers that carry identity and access token
// to the next handlers.
type Headers struct {
	// The Zoom access token, for calling Zoom's API as the visitor. If Zoom
	// refuses it before its time, the app answers with the field of this name
	// followed by `-Rejected`; it is removed, and the visitor's next request carries
	// another token, if Zoom does refuse that one. Default: `X-Zoom-Access-Token`,
	// without a scheme.
	AccessToken *TokenHeader `json:"access_token,omitempty"`

	// The Zoom user id: the identity to key on, it never changes. Default:
	// `X-Zoom-User-Id`.
	UserID *Header `json:"user_id,omitempty"`

	// The id of the user's Zoom account. Default: `X-Zoom-Account-Id`.
	AccountID *Header `json:"account_id,omitempty"`

	// The user's email address, only if Zoom says that it is verified; bytes
	// outside printable ASCII and `%` are percent-encoded. Default:
	// `X-Zoom-User-Email`.
	Email *Header `json:"email,omitempty"`

	// The user's display name, encoded like the email address. Default:
	// `X-Zoom-User-Name`.
	Name *Header `json:"name,omitempty"`

	// The client id of the program that sent the request, absent for browsers: that
	// of `programs client`, else `registered:` and a hash. Default: left out; a
	// good name is `X-Zoom-Client-Id`.
	Client *Header `json:"client,omitempty"`
}

// Header configures one request header.
type Header struct {
	// Whether the header is left out. Default: false.
	Disabled bool `json:"disabled,omitempty"`

	// The name of the header. Default: see the header.
	Name string `json:"name,omitempty"`
}

// TokenHeader configures the request header that carries the access token.
type TokenHeader struct {
	// Whether the header is left out. Default: false.
	Disabled bool `json:"disabled,omitempty"`

	// The name of the header; `Authorization` with the scheme `Bearer` makes
	// the next handler a Zoom API client. Default: `X-Zoom-Access-Token`.
	Name string `json:"name,omitempty"`

	// The authentication scheme that precedes the token, as in `Bearer`.
	// Default: none, the value is the bare token.
	Scheme string `json:"scheme,omitempty"`

	// The protected requests that carry it; a request needs to match one of the
	// sets. It is the longest header by far, so assets are served faster without it;
	// what clients send in its place is removed from all requests. Default: all of them.
	Match caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`
}

// The names that headers have by default.
const (
	standardTokenHeader     = "X-Zoom-Access-Token"
	standardUserIDHeader    = "X-Zoom-User-Id"
	standardAccountIDHeader = "X-Zoom-Account-Id"
	standardEmailHeader     = "X-Zoom-User-Email"
	standardNameHeader      = "X-Zoom-User-Name"
	standardZAKHeader       = "X-Zoom-Zak"
	standardOBFHeader       = "X-Zoom-Obf"
	standardClientHeader    = "X-Zoom-Client-Id" // sent only where it is configured

	// zakErrorSuffix makes the name of the header that says why there is no ZAK.
	zakErrorSuffix = "-Error"
)

// headerSettings holds canonical header names; an empty one is not sent.
type headerSettings struct {
	accessToken string
	tokenPrefix string // "" or the scheme and a space
	userID      string
	accountID   string
	email       string
	name        string
	client      string
}

func (h *Headers) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "access_token":
		h.AccessToken = new(TokenHeader)
		return h.AccessToken.unmarshalCaddyfile(b)
	case "user_id":
		h.UserID = new(Header)
		return readHeader(b, &h.UserID.Disabled, &h.UserID.Name, nil)
	case "account_id":
		h.AccountID = new(Header)
		return readHeader(b, &h.AccountID.Disabled, &h.AccountID.Name, nil)
	case "email":
		h.Email = new(Header)
		return readHeader(b, &h.Email.Disabled, &h.Email.Name, nil)
	case "name":
		h.Name = new(Header)
		return readHeader(b, &h.Name.Disabled, &h.Name.Name, nil)
	case "client":
		h.Client = new(Header)
		return readHeader(b, &h.Client.Disabled, &h.Client.Name, nil)
	default:
		return b.Unrecognized()
	}
}

// unmarshalCaddyfile reads `off`, or a header name, perhaps a scheme, and perhaps a block.
func (t *TokenHeader) unmarshalCaddyfile(b *conf.Block) error {
	if err := readHeader(b, &t.Disabled, &t.Name, &t.Scheme); err != nil {
		return err
	}
	if t.Disabled && b.OpensBlock() {
		return b.Err("access_token off takes no block")
	}
	inner := conf.NewBlock(b.Helper, "access_token", func(string) []string { return []string{"match"} })
	return inner.Lines(func(b *conf.Block) error {
		if b.Val() != "match" {
			return b.Unrecognized()
		}
		return b.MatcherSet(&t.Match)
	})
}

// readHeader reads `off`, or a header name and, where scheme is not nil, perhaps a
// scheme.
func readHeader(b *conf.Block, disabled *bool, name, scheme *string) error {
	option := b.Val()
	if err := b.Once(); err != nil {
		return err
	}
	args := b.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "off":
		*disabled = true
	case len(args) == 1:
		*name = args[0]
	case len(args) == 2 && scheme != nil && args[0] != "off":
		*name, *scheme = args[0], args[1]
	case scheme != nil:
		return b.WrongCount(option, "takes a header name and perhaps a scheme, or 'off'")
	default:
		return b.WrongCount(option, "takes a header name or 'off'")
	}
	return b.NotEmpty(option, args...)
}

func (h *Headers) resolve(r *resolver) headerSettings {
	if h == nil {
		h = new(Headers)
	}
	token := h.AccessToken
	if token == nil {
		token = new(TokenHeader)
	}
	var s headerSettings
	if !token.Disabled {
		s.accessToken = r.headerName("headers access_token", token.Name, standardTokenHeader)
		s.tokenPrefix = r.tokenPrefix(token.Scheme)
	}
	name := func(option string, header *Header, standard string) string {
		if header == nil {
			header = new(Header)
		}
		if header.Disabled {
			return ""
		}
		return r.headerName(option, header.Name, standard)
	}
	s.userID = name("headers user_id", h.UserID, standardUserIDHeader)
	s.accountID = name("headers account_id", h.AccountID, standardAccountIDHeader)
	s.email = name("headers email", h.Email, standardEmailHeader)
	s.name = name("headers name", h.Name, standardNameHeader)
	if h.Client != nil && h.Client.Name != "" {
		s.client = name("headers client", h.Client, "")
	}
	return s
}

func (r *resolver) tokenPrefix(scheme string) string {
	v, ok := r.Text("headers access_token scheme", scheme)
	if !ok {
		return ""
	}
	// RFC 9110 section 11.1: auth-scheme = token
	if !isToken(v.Text) {
		r.Fail(v, "is not an authentication scheme such as Bearer")
	}
	return v.Text + " "
}

// headerName resolves the name of a header that the directive sets. Every such
// name is also deleted from what clients send, in all its spellings, so two
// options must not meet in one name and none may be one that HTTP needs.
func (r *resolver) headerName(option, raw, standard string) string {
	v, ok := r.Text(option, raw)
	if !ok {
		v = conf.Value{Option: option, Raw: standard, Text: standard}
	}
	switch folded := foldHeader(v.Text); {
	case !isToken(v.Text):
		r.Fail(v, "is not a valid header name")
		return standard
	case slices.Contains(reservedHeaders, folded), strings.HasPrefix(folded, "sec-"):
		r.Fail(v, "belongs to HTTP itself and cannot carry anything else")
		return standard
	}
	r.claimHeader(v, v.Text)
	return http.CanonicalHeaderKey(v.Text)
}

// claimHeader refuses a name that is already taken by another option.
func (r *resolver) claimHeader(v conf.Value, name string) {
	folded := foldHeader(name)
	if r.headers == nil {
		r.headers = map[string]string{foldHeader(include.Header): "the directive for itself"}
	}
	if other, taken := r.headers[folded]; taken {
		r.Fail(v, "the header %s is also set by %s (case and - _ . make no difference)", folded, other)
		return
	}
	r.headers[folded] = v.Option
}

// foldHeader maps all spellings that a server behind us may take for the same
// header to one: CGI turns "-" into "_" (RFC 3875 section 4.1.18), and several
// frameworks read "." alike. oauth2-proxy (CVE-2025-64484) and Caddy
// (GHSA-f59h-q822-g45g) were attacked through such twins.
func foldHeader(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}

// isToken tells whether s is a token of RFC 9110 section 5.6.2, of which header
// names, cookie names and authentication schemes are made.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}

// reservedHeaders are the names, folded, whose removal or replacement would
// change what the request is: hop-by-hop fields, framing, routing and what
// reverse_proxy sets by itself.
var reservedHeaders = []string{
	"connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
	"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"content-encoding", "content-length", "content-range", "content-type",
	"cookie", "set-cookie", "expect", "host", "origin", "range",
	"forwarded", "via", "x-forwarded-for", "x-forwarded-host",
	"x-forwarded-port", "x-forwarded-proto",
}
