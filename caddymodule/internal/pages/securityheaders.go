package pages

import (
	"net/http"
	"strings"
)

// Security decides about the security headers of one answer.
type Security struct {
	// HSTS asks browsers to use nothing but TLS for the host, on every port of it.
	HSTS bool
	// FrameAncestors lists who may show the answer in a frame, as sources of
	// a Content-Security-Policy; empty means nobody, FrameAnywhere everybody.
	FrameAncestors string
	// FormAction lists origins, besides our own, that a form of the page may
	// end up at: Chromium holds the redirect after a form to form-action too.
	FormAction []string
	// FormAnywhere lets a form of the page end up anywhere.
	FormAnywhere bool
	// style and script are the sources of the page's own style and script,
	// connect what the script may fetch.
	style, script, connect string
}

// FrameAnywhere lifts the frame-ancestors restriction.
const FrameAnywhere = "*"

// SetSecurityHeaders sets what every answer of the directive carries: it must
// not be stored, as it belongs to one visitor at one moment, and it has,
// with HSTS, the four headers without which Zoom's client does not render a page
// (https://developers.zoom.us/docs/build-flow/security/owasp/).
func SetSecurityHeaders(h http.Header, o Security) {
	h.Set("Cache-Control", "no-store")
	DropSharedCacheFields(h)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", o.contentSecurityPolicy())
	// Not no-referrer, with which browsers send "Origin: null" along with our
	// own forms.
	h.Set("Referrer-Policy", "same-origin")
	if o.HSTS && h.Get("Strict-Transport-Security") == "" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func (o Security) contentSecurityPolicy() string {
	policy := []string{"default-src 'none'"}
	if o.style != "" {
		policy = append(policy, "style-src "+o.style)
	}
	if o.script != "" {
		policy = append(policy, "script-src "+o.script)
	}
	if o.connect != "" {
		policy = append(policy, "connect-src "+o.connect)
	}
	policy = append(policy, "base-uri 'none'")
	if !o.FormAnywhere {
		policy = append(policy, strings.Join(append([]string{"form-action 'self'"}, o.FormAction...), " "))
	}
	switch o.FrameAncestors {
	case FrameAnywhere:
		// "*" would still exclude the custom schemes of desktop clients.
	case "":
		policy = append(policy, "frame-ancestors 'none'")
	default:
		policy = append(policy, "frame-ancestors "+o.FrameAncestors)
	}
	return strings.Join(policy, "; ")
}

// DropSharedCacheFields removes what speaks to shared caches alone and, to them,
// overrules Cache-Control: the fields of RFC 9213, those of surrogates and Akamai,
// and nginx's.
func DropSharedCacheFields(h http.Header) {
	for name := range h {
		if isSharedCacheField(name) {
			delete(h, name)
		}
	}
}

func isSharedCacheField(name string) bool {
	const targeted = "CDN-Cache-Control"
	if n := len(name) - len(targeted); n >= 0 && strings.EqualFold(name[n:], targeted) {
		return n == 0 || name[n-1] == '-'
	}
	return strings.EqualFold(name, "Surrogate-Control") || strings.EqualFold(name, "Edge-Control") ||
		strings.EqualFold(name, "X-Accel-Expires")
}
