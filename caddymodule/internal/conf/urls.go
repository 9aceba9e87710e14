package conf

import (
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// AbsoluteURL parses a URL that codes and tokens are sent to: https, or http
// that does not leave the machine (RFC 8252 section 8.3).
func (r *Resolver) AbsoluteURL(v Value) (*url.URL, bool) {
	u, ok := r.WebURL(v)
	if !ok {
		return nil, false
	}
	if u.Scheme == "http" && !IsLoopback(u.Hostname()) {
		r.Fail(v, "must be https; plain http is only for 127.0.0.1, [::1] and localhost, "+
			"anywhere else others can read it")
		return nil, false
	}
	return u, true
}

// WebURL parses an absolute http or https URL without user information.
func (r *Resolver) WebURL(v Value) (*url.URL, bool) {
	// What stands before an @ may be a password, so no message repeats it.
	v.secret = strings.Contains(v.Text, "@")
	u, err := url.Parse(v.Text)
	if scheme := missingScheme(v.Text); scheme != "" {
		r.Fail(v, "is not an absolute URL: is %s:// missing?", scheme)
		return nil, false
	}
	if err != nil {
		// The error would repeat what placeholders became.
		r.Fail(v, "is not a URL")
		return nil, false
	}
	port, portErr := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		r.Fail(v, "is not an absolute URL that begins with https://")
	case u.User != nil:
		r.Fail(v, "must not contain a user name or password")
	case !ValidHost(u.Hostname()) && !IsAddress(u.Hostname()):
		r.Fail(v, "has no valid host (write international names in their xn-- form)")
	case strings.HasSuffix(u.Host, ":"), u.Port() != "" && (portErr != nil || port == 0):
		r.Fail(v, "has no valid port")
	default:
		return u, true
	}
	return nil, false
}

// BaseURL resolves a URL to which paths are appended, in one spelling: lower
// case host, no default port, no trailing slash.
func (r *Resolver) BaseURL(option, raw, standard string) string {
	v, ok := r.Text(option, raw)
	if !ok {
		return standard
	}
	u, ok := r.AbsoluteURL(v)
	if !ok {
		return standard
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(v.Text, "#") {
		r.Fail(v, "must not have a query or a fragment")
	}
	return Origin(u) + strings.TrimRight(u.EscapedPath(), "/")
}

// missingScheme is the scheme that an address lacks which would be a URL with one:
// a browser shows addresses so. A host with a port reads as a scheme, too.
func missingScheme(address string) string {
	u, err := url.Parse("https://" + address)
	switch {
	case err != nil, strings.Contains(address, "://"), u.Hostname() == "", u.User != nil:
		return ""
	case IsLoopback(u.Hostname()):
		return "http"
	case strings.Contains(u.Host, "."):
		return "https"
	}
	return ""
}

// Origin returns scheme, host and port as browsers write them.
func Origin(u *url.URL) string {
	return u.Scheme + "://" + BrowserHost(u.Scheme, u.Host)
}

// BrowserHost spells a host as browsers do in Host and Origin: in lower case
// and without the default port.
func BrowserHost(scheme, host string) string {
	host = strings.ToLower(host)
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// IsLoopback tells whether a host never leaves the machine: 127.0.0.0/8, ::1,
// and localhost with all names below it (RFC 6761 section 6.3).
func IsLoopback(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().IsLoopback()
	}
	return InDomain(strings.ToLower(host), "localhost")
}

// IsAddress tells whether host is an IP address without a zone.
func IsAddress(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Zone() == ""
}

// ValidHost tells whether host is an ASCII host name: labels of letters,
// digits, - and _ with dots between them.
func ValidHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// LowerASCII folds the letters A to Z and no others: to strings.ToLower the Kelvin
// sign is a k, so that somebody else's name would count as the one that is listed.
func LowerASCII(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, text)
}

// IsPlainPath tells whether p is a path that has one spelling only: absolute,
// clean and without anything that needs percent-encoding. Endpoints are compared
// with the request path byte for byte.
func IsPlainPath(p string) bool {
	escaped := (&url.URL{Path: p}).EscapedPath()
	return strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && escaped == p
}

// InDomain tells whether host equals domain or lies below it.
func InDomain(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
