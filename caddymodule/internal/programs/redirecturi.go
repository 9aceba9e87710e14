package programs

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// maxRedirectURI bounds a redirect URI, in bytes.
const maxRedirectURI = 500

// redirectTarget is a redirect URI that may be sent to.
type redirectTarget struct {
	uri    string // byte for byte as it was asked for
	scheme string
	host   string // with port; "" for private-use schemes
}

var (
	errRedirectForm     = errors.New("is not an absolute URI of visible ASCII characters with its scheme in lower case")
	errRedirectFragment = errors.New("must not have a fragment or user information")
	errRedirectLoopback = errors.New("http is for this machine only: 127.0.0.1, [::1] or localhost")
	errRedirectHost     = errors.New("has no host")
	errRedirectScheme   = errors.New("has a scheme that no program can own")
)

// noProgramScheme holds the schemes that browsers, systems or other protocols
// use: what is sent there runs as code or reaches nobody's program.
var noProgramScheme = []string{
	"javascript", "data", "file", "vbscript", "blob", "about", "mailto", "ws", "wss", "ftp", "http",
}

// loopbackHosts are the names of the machine the browser runs on. RFC 8252
// (section 8.3) would rather not have localhost, but real clients send it.
var loopbackHosts = []string{"127.0.0.1", "[::1]", "localhost"}

// CheckRedirectURI tells what is wrong with a redirect URI of a configured client.
func CheckRedirectURI(uri string) error {
	_, err := parseRedirect(uri)
	return err
}

// parseRedirect holds a redirect URI to the rules that count for every client.
// A scheme in capitals, a blank or a control character is refused outright: what
// parsers disagree on has been a way around such rules.
func parseRedirect(uri string) (redirectTarget, error) {
	target := redirectTarget{uri: uri}
	if uri == "" || len(uri) > maxRedirectURI || strings.ContainsFunc(uri, func(r rune) bool {
		return invisible(r) || strings.ContainsRune("\"<>\\^`{|}", r)
	}) {
		return target, errRedirectForm
	}
	u, err := url.Parse(uri)
	if err != nil || !strings.HasPrefix(uri, u.Scheme+":") || u.Scheme == "" {
		return target, errRedirectForm
	}
	if strings.Contains(uri, "#") || u.User != nil {
		return target, errRedirectFragment
	}
	target.scheme = u.Scheme
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return target, errRedirectHost
		}
		target.host = u.Host
	case "http":
		if !slices.Contains(loopbackHosts, hostOf(u)) {
			return target, errRedirectLoopback
		}
		target.host = u.Host
	default:
		if slices.Contains(noProgramScheme, u.Scheme) {
			return target, errRedirectScheme
		}
	}
	return target, nil
}

// ownScheme holds the schemes without a dot that well-known programs have.
var ownScheme = []string{"cursor", "vscode", "vscode-insiders", "windsurf"}

// LargeRedirectHosts are the https hosts of the large MCP clients.
var LargeRedirectHosts = []string{
	"claude.ai", "claude.com", "chatgpt.com", "vscode.dev", "insiders.vscode.dev", "cursor.com", "www.cursor.com", "grok.com",
}

// openToAll reports whether anybody's client may have the target: one that
// registered itself, or has a document. An open registration with any https host is
// an open redirector with a sign-in in front of it; a scheme without a dot (RFC
// 8252, section 7.1) starts whatever handler the visitor's machine has for it.
func (t redirectTarget) openToAll(hosts []string) bool {
	switch t.scheme {
	case "http":
		return true
	case "https":
		return slices.Contains(hosts, strings.ToLower(t.host))
	}
	return strings.Contains(t.scheme, ".") || slices.Contains(ownScheme, t.scheme)
}

// hostOf is the host as it is written, without the port.
func hostOf(u *url.URL) string {
	return strings.TrimSuffix(u.Host, ":"+u.Port())
}

// loopback reports whether the target is a program on the browser's machine.
func (t redirectTarget) loopback() bool { return t.scheme == "http" }

// shown is what a person is told of where the browser goes.
func (t redirectTarget) shown() string {
	if t.host != "" {
		return t.host
	}
	return t.scheme + ":"
}

// redirect returns the target for a redirect URI that a request asks for, if it
// is one of the client's.
func (c *Client) redirect(asked string) (redirectTarget, bool) {
	for _, registered := range c.RedirectURIs {
		if sameRedirect(registered, asked) {
			target, err := parseRedirect(asked)
			return target, err == nil
		}
	}
	return redirectTarget{}, false
}

// sameRedirect compares as strings (RFC 9700, section 4.1.1), but for the port of
// a loopback address, which the program gets from its system when it starts
// (RFC 8252, section 7.3).
func sameRedirect(registered, asked string) bool {
	if registered == asked {
		return true
	}
	for _, host := range loopbackHosts {
		if rest := loopbackRest(registered, host); rest != "" {
			return rest == loopbackRest(asked, host)
		}
	}
	return false
}

// loopbackRest returns what follows the port of http://host, where an empty path
// is the same as "/". It is "" for another host.
func loopbackRest(uri, host string) string {
	rest, ok := strings.CutPrefix(uri, "http://"+host)
	if !ok {
		return ""
	}
	if port, found := strings.CutPrefix(rest, ":"); found {
		rest = strings.TrimLeft(port, "0123456789")
		if digits := len(port) - len(rest); digits == 0 || digits > 5 {
			return ""
		}
	}
	switch {
	case rest == "" || rest[0] == '?':
		return "/" + rest
	case rest[0] == '/':
		return rest
	}
	return ""
}
