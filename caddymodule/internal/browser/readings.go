package browser

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Readings are the paths that servers behind may read in that of u, where its
// spelling leaves room for another one; most paths have none, which costs nothing.
//
// Servlet containers drop path parameters (";..." of a segment), some before they
// decode and some after; others take "\" for "/", decode once more what a server
// between has decoded, route by "/app/../x" or "/p%75blic" as it stands, resolve the
// dots of "/app/x//../y" before they merge slashes, or take "//host/x" for a URL. What
// "/public/..;/secret" is, nobody but they can say.
//
// all is false for an ambiguous path of more than 2 KiB, which is not read.
func Readings(u *url.URL) (readings []string, all bool) {
	if !ambiguous(u.Path) && !escapesPlain(u.RawPath) {
		return nil, true
	}
	if len(u.EscapedPath()) > maxRead {
		return nil, false
	}
	readings = []string{u.Path}
	add := func(path string) {
		for _, path := range [...]string{path, caddyhttp.CleanPath(path, false)} {
			if path = caddyhttp.CleanPath(path, true); !slices.Contains(readings, path) {
				readings = append(readings, path)
			}
		}
	}
	again := unescape(u.Path)
	beforeQuery, _, _ := strings.Cut(again, "?")
	beforeFragment, _, _ := strings.Cut(beforeQuery, "#")
	for _, text := range [...]string{u.Path, u.EscapedPath(), unescape(withoutParameters(u.EscapedPath())), again, beforeFragment} {
		for _, path := range [...]string{
			withoutParameters(withSlashes(text)),
			withSlashes(withoutParameters(text)),
		} {
			add(path)
			add(asNames(path))
			if rest, ok := strings.CutPrefix(path, "//"); ok {
				add("/%2f" + rest)
				_, afterHost, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
				add("/" + afterHost)
			}
		}
	}
	return readings[1:], true
}

// maxRead bounds the work that a stranger's path makes: one of the 16 KiB that Caddy
// takes would keep a processor busy for as long as a hundred requests.
const maxRead = 2 << 10

// ambiguous reports whether a decoded path can be read in several ways.
func ambiguous(path string) bool {
	if strings.ContainsAny(path, `;\%?#`) || strings.HasPrefix(path, "//") {
		return true
	}
	if !strings.Contains(path, "/.") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if isDots(segment) {
			return true
		}
	}
	return false
}

// escapesPlain reports whether a slash is percent-encoded, or what never has to be
// (RFC 3986, section 2.3): some servers route by the path as it came.
func escapesPlain(rawPath string) bool {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	for _, rest, more := strings.Cut(rawPath, "%"); more; _, rest, more = strings.Cut(rest, "%") {
		c, _ := strconv.ParseUint(rest[:min(2, len(rest))], 16, 0) // 0 for what is no number
		if strings.ContainsRune(plain, rune(c)) {
			return true
		}
	}
	return false
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

func withSlashes(path string) string { return strings.ReplaceAll(path, `\`, "/") }

// withoutParameters drops what follows a semicolon from every segment.
func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// asNames keeps dots from being resolved: to a server that routes first they are names.
func asNames(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if isDots(segment) {
			segments[i] = strings.ReplaceAll(segment, ".", "%2e")
		}
	}
	return strings.Join(segments, "/")
}

// unescape decodes what is percent-encoded, and leaves what only looks like it.
func unescape(path string) string {
	var b strings.Builder
	for {
		plain, rest, more := strings.Cut(path, "%")
		b.WriteString(plain)
		if !more {
			return b.String()
		}
		if decoded, err := url.PathUnescape("%" + rest[:min(2, len(rest))]); err == nil {
			b.WriteString(decoded)
			path = rest[2:]
		} else {
			b.WriteByte('%')
			path = rest
		}
	}
}
