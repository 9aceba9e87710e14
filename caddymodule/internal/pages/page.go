// Package pages writes what the directive answers by itself: pages for persons,
// problem+json for programs, and the security headers of both. It is given a code and
// strings; what happened, and to whom, it does not know.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

//go:embed files
var pageFiles embed.FS

// Page is what a visitor reads when the directive answers itself: what
// happened, in one sentence, and one clear way on. Its strings may come from
// anybody; links that lead neither into this site nor to https are left out.
type Page struct {
	Title, Message string
	Main           template.HTML // takes the place of the message
	Mark           mark
	Facts          []fact
	Notes          []string
	List           []string
	Form           way // sent by POST, before the other ways
	Other          parameter
	Ways           []way
	Script         *FrameScript
	KeepFragment   string // the login's path: links back to this page, or by a sign-in, take its fragment along
	RequestID      string
	Code           outcome.Code
}

// way is a link or a button.
type way struct {
	Href, Label string
	NewWindow   bool
	Press       bool // a button of the page's script, not a link
}

// parameter is a second button of the form, which sends its name with a 1.
type parameter struct{ Name, Label string }

// fact is a label with the values that belong to it.
type fact struct {
	Label  string
	Values []string
	Code   bool // the values are names for machines
}

// hop is a page that only runs a script, to carry a URL fragment past the
// sign-in: browsers send fragments to no server.
type hop struct {
	Title, Message string
	Script         string // the file of the script
	Next           string // where to go on to, a path on this site
}

// Write answers with the page. It is rendered before anything is sent.
func (p Page) Write(w http.ResponseWriter, status int, security Security, retryAfter time.Duration) {
	SetRetryAfter(w.Header(), status, retryAfter)
	switch {
	case p.Script != nil: // which loads the page anew, with its fragment
		p.KeepFragment = ""
		security.script = pageScripts[p.Script.file].source
		security.connect = "'self'"
	case p.KeepFragment != "":
		security.script = pageScripts["links.js"].source
	}
	writeHTML(w, status, "base.html", p.bounded(), security)
}

// Write answers with the hop.
func (h hop) Write(w http.ResponseWriter, status int, security Security) {
	if !isLocalPath(h.Next) {
		h.Next = "/"
	}
	security.script = pageScripts[h.Script].source
	writeHTML(w, status, "hop.html", h, security)
}

func writeHTML(w http.ResponseWriter, status int, name string, data any, security Security) {
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, name, data); err != nil {
		body.Reset()
		body.WriteString("<!DOCTYPE html><title>Something went wrong</title><p>This page could not be shown.")
		status = http.StatusInternalServerError
	}
	security.style = pageStyle.source
	SetSecurityHeaders(w.Header(), security)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// maxPageText bounds a text that came from elsewhere, in bytes.
const maxPageText = 300

// bounded returns p with long values cut, and without empty values, unsafe
// links and empty facts.
func (p Page) bounded() Page {
	var facts []fact
	for _, f := range p.Facts {
		var values []string
		for _, value := range f.Values {
			if value = Shorten(value); value != "" {
				values = append(values, value)
			}
		}
		if f.Values = values; values != nil {
			facts = append(facts, f)
		}
	}
	p.Facts = facts

	var ways []way
	for _, way := range p.Ways {
		if way.Press || isSafeLink(way.Href) {
			ways = append(ways, way)
		}
	}
	p.Ways = ways
	if !isSafeLink(p.Form.Href) {
		p.Form = way{}
	}
	p.RequestID = Shorten(p.RequestID)
	if p.Code == outcome.SignInRequired {
		p.RequestID = "" // nothing has gone wrong that somebody could be asked about
	}
	return p
}

// Shorten cuts text to maxPageText at a character boundary.
func Shorten(text string) string {
	text = WithoutControls(strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) <= maxPageText {
		return text
	}
	return strings.ToValidUTF8(text[:maxPageText], "") + "…"
}

// isSafeLink reports whether a link leads into this site or to a web page that
// came over TLS or from this machine. Anything else, such as javascript:,
// would be code or a trap.
func isSafeLink(href string) bool {
	if isLocalPath(href) {
		return true
	}
	u, err := url.Parse(href)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		host := u.Hostname()
		return host == "localhost" || net.ParseIP(host).IsLoopback()
	}
	return false
}

// isLocalPath reports whether a browser takes href for a path on this site.
// It drops tabs and line breaks and takes a backslash for a slash.
func isLocalPath(href string) bool {
	return strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "//") &&
		!strings.ContainsFunc(href, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
}

// inline is a style or script as it stands between its tags, with the source
// that lets exactly these bytes through a Content-Security-Policy.
type inline struct {
	text   string
	source string
}

func newInline(file string) inline {
	text, err := pageFiles.ReadFile("files/" + file)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return inline{string(text), "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"}
}

var (
	pageStyle   = newInline("style.css")
	pageScripts = map[string]inline{
		"keep.js":     newInline("keep.js"),
		"links.js":    newInline("links.js"),
		"inclient.js": newInline("inclient.js"),
		"framed.js":   newInline("framed.js"),
		"window.js":   newInline("window.js"),
	}

	pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{
		"style":  func() template.HTML { return template.HTML("<style>" + pageStyle.text + "</style>") },
		"script": func(file string) template.JS { return template.JS(pageScripts[file].text) },
		"mark":   func(m mark) template.HTML { return marks[m] },
	}).ParseFS(pageFiles, "files/*.html"))
)

// mark is the small drawing above a heading.
type mark string

const (
	markAlert mark = "alert"
	markKey   mark = "key"
	markStop  mark = "stop"
	markWait  mark = "wait"
	markDone  mark = "done"
)

var marks = map[mark]template.HTML{
	markAlert: drawing(`<circle cx="20" cy="20" r="15.5"/><path d="M20 12.5v9"/><path d="M20 27v.01"/>`),
	markKey:   drawing(`<circle cx="12.5" cy="20" r="8"/><path d="M20.5 20H36v6M29.5 20v4.5"/>`),
	markStop:  drawing(`<rect x="7" y="17.5" width="26" height="17" rx="4"/><path d="M12.5 17.5V13a7.5 7.5 0 0 1 15 0v4.5"/>`),
	markWait:  drawing(`<circle cx="20" cy="20" r="15.5"/><path d="M20 11.5V20l5.5 4"/>`),
	markDone:  drawing(`<circle cx="20" cy="20" r="15.5"/><path d="m13.5 20.5 4.5 4.5 9-9.5"/>`),
}

func drawing(shapes template.HTML) template.HTML {
	return `<svg class="mark" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="2.25" ` +
		`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">` + shapes + `</svg>`
}

// WithoutControls makes one line of text that a user has written, for places that
// do not encode it: a line break in a header would be the end of the request.
func WithoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, text)
}
