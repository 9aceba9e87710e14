package browser

import (
	"net/http"
	"net/url"
	"strings"
)

// crossOrigin is the standard library's protection, without exceptions.
var crossOrigin http.CrossOriginProtection

// SameOrigin reports whether a page of this very origin sent r, for endpoints
// that change state or return a credential. A request with neither fetch
// metadata nor Origin comes from no browser, and so with no cookie that a
// foreign page could have made it send: it passes.
//
// Sec-Fetch-Site "none", which http.CrossOriginProtection lets through, is
// refused: no page of ours, only an extension or a pasted address, causes it.
func SameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return originIsHost(r) && !CrossSiteUnsafe(r)
}

// CrossSiteUnsafe reports whether a page of another origin sent r with a
// method that may change something. SameSite=Lax cookies keep such requests
// signed out; cookies that travel into frames of other sites do not, and leave
// the app open to cross-site request forgery.
//
// The method is the visitor's and, where the site has changed it, that one too.
func CrossSiteUnsafe(r *http.Request) bool {
	if crossOrigin.Check(r) != nil {
		return true
	}
	method := SentMethod(r)
	if method == r.Method {
		return false
	}
	asSent := *r
	asSent.Method = method
	return crossOrigin.Check(&asSent) != nil
}

// CrossSiteWebSocket reports whether a page of another origin opens a
// WebSocket. Its handshake is a GET that CORS does not guard, so with cookies
// that travel everywhere the foreign page would talk as the user (cross-site
// WebSocket hijacking). Browsers always send Origin here (RFC 6455, section
// 4.1); fetch metadata, where present, knows better than a Host that a front
// proxy may have rewritten.
func CrossSiteWebSocket(r *http.Request) bool {
	if !isWebSocket(r) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		return !originIsHost(r)
	}
	return true
}

// originIsHost reports whether Origin, if there is one, names the host and
// port the request was sent to. Schemes are not compared, because TLS may end
// before us.
func originIsHost(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
