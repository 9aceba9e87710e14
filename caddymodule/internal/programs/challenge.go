package programs

import (
	"net/http"
	"strings"
)

// Challenge tells a client that was refused at path how to sign in: by the first
// of the WWW-Authenticate fields, since clients look no further than the first
// scheme. dead tells that it came with a token of ours; without one no error
// may be named (RFC 6750, section 3.1).
func Challenge(h http.Header, issuer, path string, dead bool) {
	value := `Bearer resource_metadata="` + quotable.Replace(MetadataURL(issuer, path)) + `"`
	if dead {
		value += `, error="invalid_token"`
	}
	h["Www-Authenticate"] = append([]string{value}, h["Www-Authenticate"]...)
	allowAnyOrigin(h)
	h.Add("Access-Control-Expose-Headers", "WWW-Authenticate")
}

var quotable = strings.NewReplacer(`"`, "%22", `\`, "%5C")

// allowAnyOrigin lets the scripts of every page read an answer that is the same
// for all of them. No cookie counts for it, so none is allowed.
func allowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Del("Access-Control-Allow-Credentials")
}

// IsPreflight reports whether a browser asks by r what a page may send.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

// Preflight lets a page of any origin send what it wants, without cookies:
// nobody is signed in by that, a bearer token has to be there (programs that
// are web pages are the ones that ask).
func (s *Server) Preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	s.Site.SetHeaders(h)
	allowAnyOrigin(h)
	h.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	w.WriteHeader(http.StatusNoContent)
}
