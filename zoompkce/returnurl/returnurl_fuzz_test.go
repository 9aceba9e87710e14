package returnurl

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzReturnURL lets a browser follow every return URL: it must end up on the
// site, whatever was asked for.
func FuzzReturnURL(f *testing.F) {
	f.Add("/x?next=https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D2")
	f.Add("//evil.example")
	f.Fuzz(func(t *testing.T, s string) {
		for _, s := range unescapings(s) {
			got, ok := Parse(s)
			if !ok && got != "/" {
				t.Errorf("refused %q, but returned %q", s, got)
			}
			checkReturnURL(t, got)
			for _, u := range requestsFor(s) {
				checkReturnURL(t, Of(u))
			}
			for _, u := range []string{s, "https://" + s} {
				if got, _ := ParseOn(u, "https", "good.example"); !sameSite(got) {
					t.Errorf("ParseReturnToOn(%q) = %q", u, got)
				}
			}
			if got := OfOn(&url.URL{Path: s}, "https", s, "good.example"); !sameSite(got) {
				t.Errorf("ReturnURLOn(%q) = %q", s, got)
			}
		}
	})
}

// checkReturnURL checks what every return URL promises.
func checkReturnURL(t *testing.T, got string) {
	t.Helper()
	if !sameSite(got) || !strings.HasPrefix(got, "/") {
		t.Errorf("%q leaves the site", got)
	}
	if len(got) > 1024 {
		t.Errorf("%d bytes", len(got))
	}
	if i := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }); i >= 0 {
		t.Errorf("%q cannot be a Location", got)
	}
	// What is stored is sanitized once more when it is used.
	if again, ok := Parse(got); !ok || again != got {
		t.Errorf("%q became %q, %v", got, again, ok)
	}
	// Proxies and frameworks have decoded a Location before sending it on.
	if decoded, err := url.PathUnescape(got); err == nil && !sameSite(decoded) {
		t.Errorf("%q, decoded, leaves the site", got)
	}
}

// sameSite is the oracle: it resolves location as browsers do
// (https://url.spec.whatwg.org/#concept-basic-url-parser) on a page of
// https://good.example/x, and reports whether the result is on good.example or
// below it.
func sameSite(location string) bool {
	location = strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(location)
	scheme, rest, found := strings.Cut(location, ":")
	if found && isScheme(scheme) {
		if !strings.EqualFold(scheme, "https") {
			return false
		}
		// "https:x" is relative on a page with the same scheme.
		if !startsWithSlashes(rest) {
			return sameSite("./" + rest)
		}
	} else if rest = location; !startsWithSlashes(rest) {
		return true
	}
	authority := strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(authority, `/\?#`); i >= 0 {
		authority = authority[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	host, _, _ := strings.Cut(strings.ToLower(authority), ":")
	return host == "good.example" || strings.HasSuffix(host, ".good.example")
}

func startsWithSlashes(s string) bool {
	return len(s) > 1 && strings.IndexByte(`/\`, s[0]) >= 0 && strings.IndexByte(`/\`, s[1]) >= 0
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}
