// Package returnurl says where a visitor goes after a sign-in: the page it began at, in a
// form that no browser can take for another site. Who signs in is not its business.
package returnurl

import (
	"net/url"
	"strings"
)

// maxReturnURL bounds what a login remembers of where it began, in bytes. The
// login cookie holds it, and several of those must fit into a request.
const maxReturnURL = 1024

// Of returns where to send a visitor back to after a sign-in that began
// with a request for u: its path and query, byte for byte as they were sent. A
// result longer than 1,024 bytes loses the query, then the path.
//
// The result is an absolute path on the same site, whatever u is: a browser
// that is redirected to it cannot leave the site. What could be taken for
// another host becomes "/".
func Of(u *url.URL) string {
	path, ok := returnPath(u)
	if !ok {
		return "/"
	}
	query := returnQuery(u)
	if Size(path+query) > maxReturnURL {
		return path
	}
	return path + query
}

// Size is the room that a return URL takes in a login cookie, in bytes: in JSON a quote
// and a backslash take two.
func Size(s string) int { return len(s) + strings.Count(s, `"`) + strings.Count(s, `\`) }

// Parse holds a wish such as the return_to parameter, or a stored
// return URL, to the rules of [Of]. It reports false, with "/", for
// anything but an absolute path on the same site. A fragment is dropped.
func Parse(s string) (string, bool) {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
		return "/", false
	}
	u, err := url.Parse(s)
	if err != nil {
		return "/", false
	}
	if _, ok := returnPath(u); !ok {
		return "/", false
	}
	return Of(u), true
}

// OfOn is [Of] for sites that share their cookies over a domain:
// if host, with or without a port, is that domain or lies below it, the result
// is absolute, with the given scheme. Otherwise it is the path alone.
func OfOn(u *url.URL, scheme, host, domain string) string {
	local := Of(u)
	if !hostWithin(host, domain) {
		return local
	}
	return scheme + "://" + host + local
}

// ParseOn is [Parse] for sites that share their cookies over a
// domain: besides paths it accepts URLs with the given scheme whose host is
// that domain or lies below it.
func ParseOn(s, scheme, domain string) (string, bool) {
	rest, absolute := strings.CutPrefix(s, scheme+"://")
	if !absolute {
		return Parse(s)
	}
	host := rest[:strings.IndexAny(rest+"/", "/?#")]
	if !hostWithin(host, domain) {
		return "/", false
	}
	path := rest[len(host):]
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	local, ok := Parse(path)
	if !ok {
		return "/", false
	}
	return scheme + "://" + host + local, true
}

// returnPath returns the path of u as it was sent, and whether it is short
// enough and stays on the site.
func returnPath(u *url.URL) (string, bool) {
	path := u.EscapedPath()
	// EscapedPath escapes bytes such as '|' that browsers send as they are.
	if decoded, err := url.PathUnescape(u.RawPath); err == nil && decoded == u.Path && isPlainPath(u.RawPath) {
		path = u.RawPath
	}
	return path, len(path) <= maxReturnURL && strings.HasPrefix(path, "/") && !looksLikeHost(u.Path)
}

// returnQuery returns the query of u with its question mark. A request line
// can hold bytes that a Location header cannot; those are escaped.
func returnQuery(u *url.URL) string {
	if u.RawQuery == "" && !u.ForceQuery {
		return ""
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteByte('?')
	for i := 0; i < len(u.RawQuery); i++ {
		if c := u.RawQuery[i]; c <= ' ' || c >= 0x7f || c == '#' {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isPlainPath reports whether a raw path can be part of a Location header
// without meaning anything else there.
func isPlainPath(raw string) bool {
	return !strings.ContainsFunc(raw, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"#<>?\\", r)
	})
}

// looksLikeHost reports whether some reader of an absolute path could see two
// leading slashes in it, and so a host. Browsers take a backslash for a slash,
// drop tabs and line breaks anywhere, and resolve "." and ".." segments, also
// percent-encoded ones (https://url.spec.whatwg.org/#url-parsing); whatever
// stands between us and them may decode once more. Open redirects were made of
// each of these: CVE-2019-14857, CVE-2020-11053, CVE-2021-32786, CVE-2021-39191.
func looksLikeHost(path string) bool {
	for range 5 {
		if startsWithTwoSlashes(path) {
			return true
		}
		decoded, _ := url.PathUnescape(path) // "", no host, where it cannot be
		if decoded == path {
			return false
		}
		path = decoded
	}
	// Nobody escapes an honest path so many times.
	return true
}

// startsWithTwoSlashes reports whether a path has two leading slashes for a
// browser, or would have while its dot segments are being resolved.
func startsWithTwoSlashes(path string) bool {
	path = strings.Map(func(r rune) rune {
		switch {
		case r <= ' ' || r == 0x7f:
			return -1
		case r == '\\':
			return '/'
		}
		return r
	}, path)

	path = strings.TrimPrefix(path, "/")
	depth := 0
	for more := true; more; {
		var segment string
		segment, path, more = strings.Cut(path, "/")
		switch segment {
		case ".":
		case "..":
			depth = max(0, depth-1)
		case "":
			if depth == 0 && more {
				return true
			}
			depth++
		default:
			depth++
		}
	}
	return false
}

// hostWithin reports whether host, with or without a port, is domain or lies
// below it. Anything but a plain host name is outside of every domain.
func hostWithin(host, domain string) bool {
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return false
	}
	name, domain = strings.ToLower(name), strings.ToLower(strings.TrimPrefix(domain, "."))
	if domain == "" || strings.Contains(name, "..") || strings.HasPrefix(name, ".") {
		return false
	}
	return name == domain || strings.HasSuffix(name, "."+domain)
}
