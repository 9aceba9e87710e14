package zoomtest

import (
	"net/http"
	"strconv"
	"time"
)

// The two limits Zoom tells apart in X-RateLimit-Type.
const (
	rateQPS   = "QPS"
	rateDaily = "Daily-limit"
)

// rateLimits counts the REST calls of an account, all apps and users together.
type rateLimits struct {
	perSecond, perDay int // 0: unlimited
	used              map[string]*usage
}

type usage struct {
	second, day         int64 // the Unix second and day the counts are of
	inSecond, inThisDay int
}

// RateLimit limits the light REST calls of each account, 0 meaning unlimited,
// and forgets what has been used. A free account has 4 a second and 6,000 a
// day, shared by all apps and users (zoom/skills, rate-limits.md). The day
// ends at midnight UTC.
func (s *Server) RateLimit(perSecond, perDay int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = rateLimits{perSecond, perDay, map[string]*usage{}}
}

// spend counts one call of an account, or returns the answer that refuses it.
func (s *Server) spend(accountID string) (refusal answer, ok bool) {
	l := &s.limits
	if l.perSecond <= 0 && l.perDay <= 0 {
		return answer{}, true
	}
	now := s.now()
	u := l.used[accountID]
	if u == nil {
		u = &usage{}
		l.used[accountID] = u
	}
	if second := now.Unix(); second != u.second {
		u.second, u.inSecond = second, 0
	}
	today := now.UTC().Truncate(24 * time.Hour)
	if today.Unix() != u.day {
		u.day, u.inThisDay = today.Unix(), 0
	}

	switch {
	case l.perDay > 0 && u.inThisDay >= l.perDay:
		a := rateLimited(rateDaily)
		a.header.Set("X-RateLimit-Limit", strconv.Itoa(l.perDay))
		a.header.Set("X-RateLimit-Remaining", "0")
		a.header.Set("Retry-After", today.Add(24*time.Hour).Format(time.RFC3339))
		return a, false
	case l.perSecond > 0 && u.inSecond >= l.perSecond:
		a := rateLimited(rateQPS)
		a.header.Set("X-RateLimit-Limit", strconv.Itoa(l.perSecond))
		a.header.Set("X-RateLimit-Remaining", "0")
		a.header.Set("X-RateLimit-Reset", strconv.FormatInt(u.second+1, 10))
		return a, false
	}
	u.inSecond++
	u.inThisDay++
	return answer{}, true
}

// rateLimited is Zoom's 429 for one of its limits.
func rateLimited(kind string) answer {
	message := "You have reached the maximum per-second rate limit for this API. Try again later."
	if kind == rateDaily {
		message = "You have reached the maximum daily rate limit for this API. Try again later."
	}
	a := apiError(http.StatusTooManyRequests, 429, message)
	a.header.Set("X-RateLimit-Category", "Light")
	a.header.Set("X-RateLimit-Type", kind)
	return a
}
