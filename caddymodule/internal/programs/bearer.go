package programs

import "strings"

// Bearer finds a token of ours, known by its prefix, among the Authorization fields
// of a request as they came: all of them are to be taken off it then. Beside
// another field it is worth nothing, since which of the two counts would be a matter
// of taste (token is "" and ours is true then).
func Bearer(fields []string, prefix string) (token string, ours bool) {
	for _, field := range fields {
		if found := bearer(field); strings.HasPrefix(found, prefix) {
			token, ours = found, true
		}
	}
	if len(fields) > 1 {
		return "", ours
	}
	return token, ours
}

// bearer returns the token of a field, "" if it has none (RFC 6750, section 2.1; RFC
// 9110, section 11.1: schemes have no case).
func bearer(field string) string {
	field = strings.Trim(field, " \t")
	end := strings.IndexAny(field, " \t")
	if end < 0 || !strings.EqualFold(field[:end], "Bearer") {
		return ""
	}
	return strings.TrimLeft(field[end:], " \t")
}
