package protect

import (
	"net/http"
	"strings"
)

// renewal is the answer that brings a visitor the session cookie anew. Whatever the app
// says of it, no shared cache may keep it: it would hand the session to everybody
// (RFC 9111, section 7.3).
type renewal struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *renewal) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.mark()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *renewal) Write(p []byte) (int, error) {
	w.mark()
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *renewal) Flush() {
	w.mark()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *renewal) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *renewal) mark() {
	h := w.Header()
	// To shared caches these count for more (RFC 9213, nginx).
	for _, field := range [...]string{"CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires"} {
		h.Del(field)
	}
	said := strings.ToLower(strings.Join(h["Cache-Control"], ","))
	for directive := range strings.SplitSeq(said, ",") {
		if d := strings.TrimSpace(directive); d == "private" || d == "no-store" {
			return
		}
	}
	h.Set("Cache-Control", "private")
}
