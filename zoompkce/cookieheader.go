package zoompkce

import (
	"net/http"
	"strings"
)

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
