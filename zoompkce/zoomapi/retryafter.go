package zoomapi

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxRetryAfter = 24 * time.Hour

// rateLimit fills in what a 429 says about waiting. Zoom names the limit in
// X-RateLimit-Type ("QPS" or "Daily-limit") or in the message; a per-second
// limit without Retry-After means one to two seconds, spread out so that all
// instances do not come back at the same moment, a daily one the next day in UTC.
func (e *Error) rateLimit(a *answer, message string) {
	kind := a.header.Get("X-RateLimit-Type") + " " + message
	e.Daily = strings.Contains(strings.ToLower(kind), "daily")
	wait, ok := parseRetryAfter(a.header, a.at)
	switch {
	case ok:
		e.RetryAfter = wait
	case e.Daily:
		e.RetryAfter = a.at.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(a.at)
	default:
		e.RetryAfter = time.Second + rand.N(time.Second)
	}
}

// parseRetryAfter reads Retry-After in any form: seconds or an HTTP date (RFC
// 9110 section 10.2.3), or the ISO 8601 date-time that Zoom sends with a daily
// limit, in UTC where it names no zone. The result is between 0 and 24 h.
func parseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if len(s) > 64 {
		return 0, false
	}
	if strings.Trim(s, "-.0123456789") == "" {
		if seconds, err := strconv.ParseFloat(s, 64); err == nil {
			seconds = min(max(seconds, 0), maxRetryAfter.Seconds())
			return time.Duration(seconds * float64(time.Second)), true
		}
	}
	at, err := http.ParseTime(s)
	for _, layout := range []string{
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	} {
		if err != nil {
			at, err = time.Parse(layout, s) // takes fractions of a second too
		}
	}
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
