package zoomtest

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxHang bounds how long Hang and Drip keep a client.
const maxHang = time.Minute

// Status answers with a status, a body and headers, given as name, value pairs.
// The content type is JSON unless a header says otherwise.
func Status(code int, body string, headers ...string) http.Handler {
	if len(headers)%2 != 0 {
		panic("zoomtest: headers must be name, value pairs")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	})
}

// RateLimited answers 429 as Zoom does, for the per-second or the daily limit.
// retryAfter is the Retry-After header, empty for none. Zoom's own value is an
// ISO 8601 time, on the daily limit only (zoom/skills, rate-limits.md).
func RateLimited(retryAfter string, daily bool) http.Handler {
	limit, kind := "4", rateQPS
	if daily {
		limit, kind = "6000", rateDaily
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := rateLimited(kind)
		a.header.Set("X-RateLimit-Limit", limit)
		a.header.Set("X-RateLimit-Remaining", "0")
		if retryAfter != "" {
			a.header.Set("Retry-After", retryAfter)
		}
		a.write(w)
	})
}

// HTML answers 200 with a web page where JSON was expected, as the Marketplace
// host does for paths it does not know.
func HTML() http.Handler {
	return Status(http.StatusOK, "<!doctype html><title>Zoom</title><h1>Be right back</h1>",
		"Content-Type", "text/html;charset=utf-8")
}

// Deeplink answers 200 with an address of the caller's choice in place of the
// one that POST /v2/zoomapp/deeplink makes.
func Deeplink(url string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		deeplinkAnswer(url).write(w)
	})
}

// Redirect answers 302 to another place.
func Redirect(url string) http.Handler {
	return Status(http.StatusFound, "", "Location", url)
}

// Huge answers 200 with n bytes of valid JSON, an object with one long string.
func Huge(n int) http.Handler {
	const open, end = `{"padding":"`, `"}`
	return Status(http.StatusOK, open+strings.Repeat("a", n-len(open)-len(end))+end)
}

// Truncated answers 200 with less than it announces: half of body.
func Truncated(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write([]byte(body[:len(body)/2]))
	})
}

// Hang never answers: the connection ends when the client leaves, the server
// closes or a minute is over.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		pause(r, maxHang)
		panic(http.ErrAbortHandler)
	})
}

// Drip answers 200 with body, one byte at each interval, for a minute at most.
func Drip(interval time.Duration, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		deadline := time.Now().Add(maxHang)
		for i := range len(body) {
			if time.Now().After(deadline) || !pause(r, interval) {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write([]byte{body[i]}) // the client may have left
			_ = http.NewResponseController(w).Flush()
		}
	})
}

// ResetConn resets the connection without an answer.
func ResetConn() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // in process: the same to the client
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	})
}

// pause reports whether the client was still there after d.
func pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	return r.Context().Err() == nil
}
