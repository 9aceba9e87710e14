package caddymodule

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// privateWriter marks an answer as the visitor's own, whatever the upstream
// says of it, so that no shared cache keeps a protected body (RFC 9111,
// section 5.2.2.7). What speaks to shared caches alone is removed: to them
// it counts for more. So is what the app says to us alone, of its token.
type privateWriter struct {
	caddyhttp.ResponseWriterWrapper
	given  givenToken
	marked bool
	value  [1]string // of the header, where there was none
}

func newPrivateWriter(w http.ResponseWriter) *privateWriter {
	return &privateWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
}

// WriteHeader implements http.ResponseWriter.
func (w *privateWriter) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.mark()
	} else {
		w.given.heed(w)
		pages.DropSharedCacheFields(w.Header())
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *privateWriter) Write(p []byte) (int, error) {
	w.mark()
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (w *privateWriter) ReadFrom(r io.Reader) (int64, error) {
	w.mark()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is what http.ResponseController flushes with: it sends the header.
func (w *privateWriter) FlushError() error {
	w.mark()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. Who takes the connection over answers with
// this header, if with any.
func (w *privateWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mark()
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w *privateWriter) mark() {
	if w.marked {
		return
	}
	w.marked = true
	h := w.Header()
	w.given.heed(w)
	pages.DropSharedCacheFields(h)
	lines := h["Cache-Control"]
	for _, line := range lines {
		for directive := range strings.SplitSeq(line, ",") {
			switch strings.ToLower(strings.TrimSpace(directive)) {
			case "private", "no-store":
				return
			}
		}
	}
	if len(lines) == 0 {
		w.value[0] = "private"
		h["Cache-Control"] = w.value[:]
		return
	}
	h["Cache-Control"] = append(lines, "private")
}

// end is for a header that nobody has sent yet, and for the trailers: net/http sends
// both when all handlers have returned.
func (w *privateWriter) end() {
	w.mark()
	w.given.heed(w)
}

// rejectedSuffix makes the name of the field of an answer by which the app says
// that Zoom has refused the access token of its request.
const rejectedSuffix = "-Rejected"

// givenToken is the access token that a request was given, and to whom the app's
// word about it goes. The zero value has none.
type givenToken struct {
	redacted
	manager *zoompkce.Manager
	session *zoompkce.Session
	token   string
	fields  *[2]string // of the answer: as header, and as trailer that nobody announced
}

// givenToken is none where the app is given none.
func (s *site) givenToken(session *zoompkce.Session, g grants) givenToken {
	if s.headers.accessToken == "" {
		return givenToken{}
	}
	return givenToken{manager: s.manager, session: session, token: g.accessToken, fields: &s.rejected}
}

// rejectedFields are where the app tells of the token in a header.
func rejectedFields(tokenHeader string) [2]string {
	if tokenHeader == "" {
		return [2]string{}
	}
	field := http.CanonicalHeaderKey(tokenHeader + rejectedSuffix)
	return [2]string{field, http.TrailerPrefix + field}
}

// heed takes the app's word off an answer, where it is nobody else's business.
func (g *givenToken) heed(w http.ResponseWriter) {
	if g.manager == nil {
		return
	}
	h := w.Header()
	for _, field := range g.fields {
		if _, said := h[field]; said {
			delete(h, field)
			g.manager.TokenRejected(g.session, g.token)
		}
	}
}

// Interface guards
var (
	_ http.ResponseWriter = (*privateWriter)(nil)
	_ io.ReaderFrom       = (*privateWriter)(nil)
	_ http.Hijacker       = (*privateWriter)(nil)
)
