package zoompkce

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// CookieConfig says how cookies are named and to whom browsers send them.
type CookieConfig struct {
	// Prefix is the first part of every name. Default: zoom_pkce.
	Prefix string
	// Domain is the domain whose hosts all get the cookies. Default: only the
	// host that set them.
	Domain string
	// SameSiteNone sends the cookies from pages embedded in other sites too, in a
	// jar of each embedding site (SameSite=None, Partitioned).
	SameSiteNone bool
	// Insecure is for apps on loopback addresses without TLS: it leaves out the
	// name prefixes that demand Secure, and Secure itself, except with SameSiteNone.
	Insecure bool
}

// cookieJar makes all cookies of one app.
type cookieJar struct {
	CookieConfig
	base string // the name of the session cookie
}

// newCookieJar names the cookies after the app, so that apps on one host do
// not meet. The __Host- and __Secure- prefixes keep neighbours on sibling
// domains or plain http from planting cookies of that name (RFC 6265bis,
// section 4.1.3).
func newCookieJar(c CookieConfig, app string) *cookieJar {
	if c.Prefix == "" {
		c.Prefix = "zoom_pkce"
	}
	base := c.Prefix + "_" + app
	switch {
	case c.Insecure:
	case c.Domain == "":
		base = "__Host-" + base
	default:
		base = "__Secure-" + base
	}
	return &cookieJar{CookieConfig: c, base: base}
}

func (j *cookieJar) name(suffix string) string {
	if suffix == "" {
		return j.base
	}
	return j.base + "_" + suffix
}

// owns reports whether a cookie name is one of this app's.
func (j *cookieJar) owns(name string) bool {
	rest, ok := strings.CutPrefix(name, j.base)
	return ok && (rest == "" || rest[0] == '_')
}

// cookie returns a cookie with the attributes all of them have.
func (j *cookieJar) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		Domain:   j.Domain,
		Secure:   !j.Insecure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if j.SameSiteNone {
		partition(c)
	}
	// Max-Age 0 would be a deletion; what the cookie is worth is decided by the
	// times inside.
	if c.MaxAge = int((life + time.Second - 1) / time.Second); c.MaxAge <= 0 {
		c.MaxAge = -1
	}
	return c
}

// partition has a cookie sent from pages embedded in other sites.
func partition(c *http.Cookie) {
	c.SameSite, c.Partitioned, c.Secure = http.SameSiteNoneMode, true, true
}

// deletion returns what makes a browser forget a cookie. Browsers tell cookies
// apart, and accept a deletion, by the attributes too.
func (j *cookieJar) deletion(name string) *http.Cookie {
	return j.cookie(name, "", 0)
}

// OwnsCookie reports whether a cookie is one this manager sets. Such
// cookies are nobody else's business: they should not be handed on.
func (m *Manager) OwnsCookie(name string) bool { return m.jar.owns(name) }

// SessionCookieName is the name of the session cookie.
func (m *Manager) SessionCookieName() string { return m.jar.base }

// Cookie returns a small cookie for a purpose of the caller's, with the name
// and the attributes of all others. A life of 0 deletes it.
func (m *Manager) Cookie(suffix, value string, life time.Duration) *http.Cookie {
	return m.jar.cookie(m.jar.name(suffix), value, life)
}

// CookieValue returns the value of such a cookie, "" if there is none.
func (m *Manager) CookieValue(cookies []string, suffix string) string {
	if values := cookieValues(nil, cookies, m.jar.name(suffix)); len(values) > 0 {
		return values[0]
	}
	return ""
}

// ClearSession returns the deletion of the session cookie. Of several that contradict each
// other one is from before SameSiteNone was changed, maybe: then that is deleted, too. Browsers
// keep cookies with and without Partitioned apart, and send both.
func (m *Manager) ClearSession(several bool) []*http.Cookie {
	return m.jar.sessionDeletions(several || m.jar.SameSiteNone)
}

func (j *cookieJar) sessionDeletions(both bool) []*http.Cookie {
	deletion := j.deletion(j.base)
	if !both {
		return []*http.Cookie{deletion}
	}
	former := j.deletion(j.base)
	if former.Partitioned {
		former.Partitioned = false
	} else {
		partition(former)
	}
	return []*http.Cookie{deletion, former}
}

// ClearCookies returns the deletion of every cookie of this app that the
// request carries, the session cookie always among them; see [Manager.ClearSession].
func (m *Manager) ClearCookies(cookies []string) []*http.Cookie {
	values := cookieValues(nil, cookies, m.jar.base)
	slices.Sort(values)
	deletions := m.jar.sessionDeletions(len(slices.Compact(values)) > 1)
	done := map[string]bool{m.jar.base: true}
	for _, c := range m.jar.ownCookies(cookies) {
		if !done[c.Name] {
			done[c.Name] = true
			deletions = append(deletions, m.jar.deletion(c.Name))
		}
	}
	return deletions
}

// maxSameName is how many cookies of one name are looked at. Browsers send
// several when a parent domain has set one too, in an order that does not tell
// which is whose (RFC 6265, section 4.2.2).
const maxSameName = 8

// cookieValues appends the values of the cookies called name, in the order
// sent. net/http would parse every cookie of the site for it.
func cookieValues(values, lines []string, name string) []string {
	for _, line := range lines {
		for line != "" && len(values) < maxSameName {
			var part string
			part, line, _ = strings.Cut(line, ";")
			part = strings.Trim(part, " \t")
			if len(part) > len(name) && part[len(name)] == '=' && part[:len(name)] == name {
				values = append(values, part[len(name)+1:])
			}
		}
	}
	return values
}

// maxOwnCookies bounds what is looked at of a header full of cookies that are
// called like ours.
const maxOwnCookies = 64

// ownCookies returns the cookies of the jar, at most maxOwnCookies.
func (j *cookieJar) ownCookies(lines []string) (own []*http.Cookie) {
	for _, line := range lines {
		for line != "" && len(own) < maxOwnCookies {
			var part string
			part, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if ok && j.owns(name) {
				own = append(own, &http.Cookie{Name: name, Value: value})
			}
		}
	}
	return own
}
