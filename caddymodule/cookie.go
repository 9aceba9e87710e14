package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// minSecretSize keeps a cookie secret as strong as the 256-bit keys that are
// derived from it.
const minSecretSize = 32

// maxCookieName leaves room for the app id and the hash of a state.
const maxCookieName = 64

// Cookie configures the cookies of the directive.
type Cookie struct {
	// The prefix of the cookie names, at most 64 characters; the app id follows
	// it. On https `__Host-`, or `__Secure-` with a domain, is put before it.
	// Default: `zoom_pkce`.
	Name string `json:"name,omitempty"`

	// The domain whose hosts share the sign-in. Every one of its subdomains is
	// then trusted: each of them can read and replace the cookies. Default:
	// none, each host has its own cookies.
	Domain string `json:"domain,omitempty"`

	// Whether browsers send the cookies in requests that other sites cause:
	// `lax` only when following a link, `none` always, which a page needs that
	// another site embeds, on https or a loopback host. Browsers keep the cookies of
	// such a frame apart, so a sign-in in a window asks whether the frame may have
	// one, too. Default: `lax`.
	SameSite string `json:"same_site,omitempty"`

	// The secrets that cookies and stored records are encrypted with, 32 bytes
	// or more each. The first one seals, all of them open: to rotate, add the
	// new one last everywhere, then move it first. `caddy zoom-pkce keygen`
	// prints one. Default: generated, and kept in the session store; that one
	// opens on beside those that take its place, until it is removed there.
	Secret []string `json:"secret,omitempty"`
}

type cookieSettings struct {
	redacted
	name     string // without __Host- or __Secure-
	domain   string // lower case; "" is host-only
	sameSite http.SameSite
	secure   bool
	secrets  [][]byte // none: the generated secret
}

func (c *Cookie) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "name":
		return b.Text(&c.Name)
	case "domain":
		return b.Text(&c.Domain)
	case "same_site":
		if b.CountRemainingArgs() == 1 {
			if b.NextArg(); b.Val() == "strict" {
				return b.Err("same_site strict " + strictReason)
			}
			b.Prev()
		}
		return b.OneOf(&c.SameSite, sameSiteValues...)
	case "secret":
		return b.List(&c.Secret)
	default:
		return b.Unrecognized()
	}
}

func (c *Cookie) resolve(r *resolver, s *settings) cookieSettings {
	if c == nil {
		c = new(Cookie)
	}
	return cookieSettings{
		name:     r.cookieName(c.Name),
		domain:   r.cookieDomain(c.Domain, s.redirectURIs),
		sameSite: r.sameSite(c.SameSite),
		secure:   s.secure,
		secrets:  r.cookieSecrets(c.Secret),
	}
}

func (r *resolver) cookieName(raw string) string {
	v, ok := r.Text("cookie name", raw)
	if !ok {
		return "zoom_pkce"
	}
	// RFC 6265 section 4.1.1: cookie-name = token
	if !isToken(v.Text) || len(v.Text) > maxCookieName {
		r.Fail(v, "is not a cookie name of at most %d letters, digits, - and _", maxCookieName)
	}
	// Browsers compare these prefixes without regard to case.
	name := strings.ToLower(v.Text)
	if strings.HasPrefix(name, "__host-") || strings.HasPrefix(name, "__secure-") {
		r.Fail(v, "leave the prefix out, the directive adds the one that fits")
	}
	return v.Text
}

// cookieDomain demands that every served host may set and receive the cookie: a
// browser drops one for a foreign domain, and the sign-in would start over for
// ever.
func (r *resolver) cookieDomain(raw string, uris []redirectURI) string {
	v, ok := r.Text("cookie domain", raw)
	if !ok {
		return ""
	}
	// RFC 6265 section 4.1.2.3: a leading dot is ignored
	domain := strings.ToLower(strings.TrimPrefix(v.Text, "."))
	if _, err := netip.ParseAddr(domain); err == nil || !conf.ValidHost(domain) {
		r.Fail(v, "is not a domain name")
		return ""
	}
	if !strings.Contains(domain, ".") && domain != "localhost" {
		r.Fail(v, "browsers refuse cookies for a whole top-level domain")
	}
	for _, uri := range uris {
		if !conf.InDomain(uri.hostname, domain) {
			r.Fail(v, "the host of redirect_uri %q neither equals it nor lies below it", uri.raw)
		}
	}
	return domain
}

var sameSiteValues = []string{"lax", "none"}

const strictReason = "cannot work: the way back from Zoom is a navigation from another site, " +
	"in which browsers leave such cookies out, so no sign-in could be completed; use lax"

func (r *resolver) sameSite(raw string) http.SameSite {
	v, ok := r.Text("cookie same_site", raw)
	if !ok {
		return http.SameSiteLaxMode
	}
	switch v.Text {
	case "lax":
		return http.SameSiteLaxMode
	case "none":
		return http.SameSiteNoneMode
	case "strict":
		r.Fail(v, strictReason)
	default:
		r.Fail(v, "is not one of %s", strings.Join(sameSiteValues, ", "))
	}
	return http.SameSiteLaxMode
}

func (r *resolver) cookieSecrets(raws []string) [][]byte {
	var secrets [][]byte
	seen := make(map[string]bool)
	for _, v := range r.Keys("cookie secret", raws) {
		if len(v.Text) < minSecretSize {
			r.Fail(v, "has %d bytes, it needs %d or more; caddy zoom-pkce keygen prints one",
				len(v.Text), minSecretSize)
		}
		if !seen[v.Text] {
			seen[v.Text] = true
			secrets = append(secrets, []byte(v.Text))
		}
	}
	return secrets
}
