package programs

import (
	"net/http"
	"strings"
)

// TakeBearer takes a token of ours, known by its prefix, off a request. It comes
// before anything else may change the header. All other Authorization fields are
// left as they are, but not beside one of ours: which of the two counts would be
// a matter of taste, so that all go and the token is worth nothing (token is ""
// and ours is true then).
func TakeBearer(h http.Header, prefix string) (token string, ours bool) {
	fields := h["Authorization"]
	for _, field := range fields {
		if found, ok := bearer(field); ok && strings.HasPrefix(found, prefix) {
			token, ours = found, true
		}
	}
	if !ours {
		return "", false
	}
	delete(h, "Authorization")
	if len(fields) > 1 {
		return "", true
	}
	return token, true
}

// bearer returns the token of a field (RFC 6750, section 2.1; RFC 9110, section
// 11.1: schemes have no case).
func bearer(field string) (token string, ok bool) {
	const scheme = "Bearer"
	field = strings.Trim(field, " \t")
	if len(field) <= len(scheme) || !strings.EqualFold(field[:len(scheme)], scheme) {
		return "", false
	}
	token = strings.TrimLeft(field[len(scheme):], " \t")
	return token, len(token) < len(field)-len(scheme)
}
