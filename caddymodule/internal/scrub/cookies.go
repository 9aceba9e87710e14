package scrub

import (
	"net/http"
	"net/textproto"
	"strings"
)

// RemoveCookies takes the cookies whose names are own out of a request, so
// that the upstream, its logs and its header limits never meet them. All other
// cookies keep their bytes and their order, and a request without own cookies
// keeps its header as it is.
//
// Names are compared as browsers do, byte for byte. PHP would read
// "__Host-zoom.pkce" as "__Host-zoom_pkce", but only the exact name ever
// carries one of our values, and nothing behind us trusts a cookie of ours.
func RemoveCookies(h http.Header, own func(name string) bool) {
	lines := h["Cookie"]
	kept := 0
	for _, line := range lines {
		line, found := withoutCookies(line, own)
		if found && strings.Trim(line, "; \t") == "" {
			continue
		}
		lines[kept] = line
		kept++
	}
	switch {
	case kept == len(lines):
	case kept == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = lines[:kept]
	}
}

// withoutCookies returns line without the cookies whose names are own, and
// whether there were any. It allocates only if the rest is not in one piece.
func withoutCookies(line string, own func(name string) bool) (string, bool) {
	var (
		found  bool
		buffer [4]string
		pieces = buffer[:0] // what is kept, each up to one of ours
		start  int          // of the piece that is being read
	)
	for at, more := 0, true; more; {
		var part string
		part, _, more = strings.Cut(line[at:], ";")
		next := at + len(part) + 1
		if name, _ := parseCookie(part); own(name) {
			found = true
			if at > start {
				pieces = append(pieces, line[start:at])
			}
			start = next
		}
		at = next
	}
	switch {
	case !found:
		return line, false
	case start > len(line): // nothing follows the last semicolon that is kept
		line = strings.TrimSuffix(strings.Join(pieces, ""), ";")
	default:
		line = strings.Join(append(pieces, line[start:]), "")
	}
	return strings.TrimLeft(line, " \t"), true
}

// parseCookie splits what stands between two semicolons. Quotes have no
// meaning there (RFC 6265, section 5.4: the value is what was stored).
func parseCookie(part string) (name, value string) {
	name, value, _ = strings.Cut(part, "=")
	return textproto.TrimString(name), textproto.TrimString(value)
}
