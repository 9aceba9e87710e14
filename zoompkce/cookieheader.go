package zoompkce

import (
	"net/http"
	"strings"
)

// maxSameName is how many cookies of one name are looked at. Browsers send
// several when a parent domain has set one too, in an order that does not tell
// which is whose (RFC 6265, section 4.2.2).
const maxSameName = 8

// cookieValues returns the values of all cookies called name, in the order
// sent. net/http would parse every cookie of the site for it.
func cookieValues(h http.Header, name string) (values []string) {
	for _, line := range h["Cookie"] {
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
