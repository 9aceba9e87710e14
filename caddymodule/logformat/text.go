package logformat

import (
	"encoding/hex"
	"strings"
)

// redacted stands for a value that was taken out, as Caddy's own do.
const redacted = "REDACTED"

// queryWords are parameters of sign-ins and of signed URLs whose names mean
// other things elsewhere: they count where a query or form is sure, so that an
// error text may say "code=42".
var queryWords = map[string]bool{"code": true, "state": true, "signature": true, "token": true}

// text returns a string without the credentials in it: values of parameters and
// cookies, wherever the string has a URL, a query, a form or a Cookie header, user
// and password of URLs, and all that has the shape of a JWT, as tokens and ZAKs have
// that an app's configuration has given other names (header_up, env, log_append).
func (s *nameSet) text(value string) string {
	if strings.ContainsAny(value, "=%") {
		value = s.withoutParameters(value)
	}
	if strings.Contains(value, jwtStart) {
		value = withoutJWTs(value)
	}
	if strings.Contains(value, authorityStart) {
		value = withoutUserinfo(value)
	}
	return value
}

// withoutParameters looks at each byte once, whatever a visitor sends: a name
// begins after a byte that no name has, and ends at an equals sign. Both may be
// percent-encoded, as in a URL that is a parameter of another.
func (s *nameSet) withoutParameters(value string) string {
	var out strings.Builder
	kept, begin, query := 0, 0, true
	for i := 0; i < len(value); {
		c, width := unescape(value, i)
		switch {
		case isNameByte(c):
			i += width
		case c == '=' && s.hidesParameter(value[begin:i], query):
			end := i + width + valueLen(value[i+width:])
			if end > i+width {
				out.WriteString(value[kept : i+width])
				out.WriteString(redacted)
				kept = end
			}
			i, begin = end, end
		default:
			i += width
			begin, query = i, strings.IndexByte(`?&#;"`, c) >= 0
		}
	}
	if kept == 0 {
		return value
	}
	out.WriteString(value[kept:])
	return out.String()
}

// hidesParameter reports whether the value of a parameter, or of a cookie, is a
// credential. query says that only a parameter can stand there.
func (s *nameSet) hidesParameter(name string, query bool) bool {
	if strings.Contains(name, "%") {
		decoded := make([]byte, 0, len(name))
		for i := 0; i < len(name); {
			c, width := unescape(name, i)
			decoded = append(decoded, c)
			i += width
		}
		name = string(decoded)
	}
	return query && queryWords[name] || s.hidesKey(name) || s.hidesCookie(name)
}

// unescape returns the byte at i, percent-decoded however often it was encoded,
// and how many bytes stand for it.
func unescape(value string, i int) (c byte, width int) {
	if value[i] != '%' {
		return value[i], 1
	}
	j := i + 1
	for strings.HasPrefix(value[j:], "25") {
		j += 2
	}
	var decoded [1]byte
	if n, _ := hex.Decode(decoded[:], []byte(value[j:min(j+2, len(value))])); n == 0 {
		return '%', j - i
	}
	return decoded[0], j + 2 - i
}

func isNameByte(c byte) bool { return nameBytes[c] }

// nameChars are what names of parameters and cookies are made of.
const nameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."

var nameBytes = func() (table [256]bool) {
	for _, c := range nameChars {
		table[c] = true
	}
	return table
}()

// valueLen is the length of a parameter's or a cookie's value. What may stand in
// one undecoded belongs to it, quotes around it too; a semicolon does unless
// nothing or a blank follows, as between cookies.
func valueLen(value string) int {
	quotes := len(value) - len(strings.TrimLeft(value, `"\`))
	end := strings.IndexFunc(value[quotes:], func(c rune) bool {
		return c <= ' ' || c == '&' || c == '#' || c == '"' || c == '<' || c == '>'
	})
	if end >= 0 {
		value = value[:quotes+end]
	}
	return len(strings.TrimRight(value, ";"))
}

// jwtStart is what base64url makes of the `{"` that header and claims of a JWT
// begin with (RFC 7519).
const jwtStart = "eyJ"

func withoutJWTs(value string) string {
	var out strings.Builder
	kept := 0
	for i := 0; ; {
		next := strings.Index(value[i:], jwtStart)
		if next < 0 {
			break
		}
		i += next
		end := i + base64Len(value[i:])
		if claims, _ := strings.CutPrefix(value[end:], "."); strings.HasPrefix(claims, jwtStart) {
			end = len(value) - len(claims) + base64Len(claims)
			if signature, ok := strings.CutPrefix(value[end:], "."); ok {
				end = len(value) - len(signature) + base64Len(signature)
				out.WriteString(value[kept:i])
				out.WriteString(redacted)
				kept = end
			}
		}
		i = end
	}
	if kept == 0 {
		return value
	}
	out.WriteString(value[kept:])
	return out.String()
}

// base64Len is the length of the base64url that a string begins with.
func base64Len(value string) int {
	for i := range len(value) {
		if c := value[i]; !isNameByte(c) || c == '.' {
			return i
		}
	}
	return len(value)
}

// authorityStart is what user, password and host of a URL come after (RFC 3986 section
// 3.2).
const authorityStart = "://"

// withoutUserinfo takes user and password out of URLs: that of a session store has them.
func withoutUserinfo(value string) string {
	var out strings.Builder
	kept := 0
	for i := 0; ; {
		next := strings.Index(value[i:], authorityStart)
		if next < 0 {
			break
		}
		i += next + len(authorityStart)
		authority := value[i:]
		if end := strings.IndexFunc(authority, endsAuthority); end >= 0 {
			authority = authority[:end]
		}
		if at := strings.LastIndexByte(authority, '@'); at > 0 {
			out.WriteString(value[kept:i])
			out.WriteString(redacted)
			kept = i + at
		}
	}
	if kept == 0 {
		return value
	}
	out.WriteString(value[kept:])
	return out.String()
}

func endsAuthority(c rune) bool { return c <= ' ' || strings.ContainsRune(`/?#"\<>`, c) }
