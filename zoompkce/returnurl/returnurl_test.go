package returnurl

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// offSite are ways out of a site that redirects of well-known proxies and
// frameworks took: CVE-2019-14857, CVE-2019-20479, CVE-2020-4037,
// CVE-2020-5233, CVE-2020-11053, CVE-2021-32786, CVE-2021-39191,
// CVE-2021-39204, CVE-2021-39206, CVE-2022-23527, CVE-2026-28512.
var offSite = []string{
	"//evil.example", "///evil.example", "////evil.example", "//evil.example/x", `/\evil.example`, `/\evil.example/x`,
	`\\evil.example`, `/\/evil.example`, `\/\/evil.example`, `\/evil.example`, "/\t/evil.example", "/\n/evil.example",
	"/\r/evil.example", "/\v/evil.example", "/\t\t/\t/evil.example", `/./\evil.example`, `/./../../\evil.example`,
	"/..//evil.example", "/.//evil.example", "/x/..//evil.example", "/x/../..//evil.example", "/%2e%2e//evil.example",
	"/.%2e/%2fevil.example", "/%2fevil.example", "/%2Fevil.example/x", "/%2f%2fevil.example", "/%5cevil.example",
	"/%5Cevil.example", "/%09/evil.example", "/%0a/evil.example", "/%0d%0a/evil.example", "/%252fevil.example",
	"/%25252fevil.example", "/%2525252525252525252fevil.example", "/%255cevil.example", "/ /evil.example", "/%20/evil.example",
	"https:evil.example", "https:/evil.example", "https://evil.example", "http:///evil.example", "HTTPS://evil.example",
	"//evil.example@good.example", "//good.example@evil.example", "https://good.example@evil.example",
	"https://good.example.evil.example", "https://evilgood.example", "javascript:alert(1)",
	"javascript://good.example/%0Aalert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "http:0xd8.0x3a.0xd6.0xce",
	"", "evil.example", "?x", "#x", "*", "\x00//evil.example", " //evil.example", "\u3000//evil.example", "//evil.example.",
	"//[::1]/", "//evil.example:443/", "/\x00/evil.example", "/\\\t/evil.example", "/.\t//evil.example", "/.\\\\evil.example",
	"/%7f/evil.example", "/%252525252541",
}

// onSite look alike but stay: they come out byte for byte.
var onSite = []string{
	"/", "/x", "/x/", "/x?y=1", "/x?", "/?x", "/x?next=https%3A%2F%2Fx%2F%3Fa%3D1%26b%3D2", "/x?next=https://x/?a=1&b=2",
	"/x?next=//evil.example", `/x?y=\\evil.example`, "/a%2Fb", "/a%2fb%5cc", "/a//b", "/a///b//", "/a/%2f/b", "/a;v=1/b,c", "/a:b@c", "/a|b^c`{d}",
	"/caf%C3%A9", "/%E2%82%AC?q=%e2%82%ac", "/x?a=b&a=c;d", "/@evil.example", "/.evil.example", "/..evil.example", "/x/../y", "/./x", "/%2e/x",
	"/x?%", "/x?%zz", "/<%3E", "/%FF", "/%ef%bc%8fevil.example", "/100%25", "/a%2520b", "/a%25252Fb", "/x?'!$()*+,[]",
	"/a/b/..//c", "/a//..//c", "/%2525252541",
}

func TestReturnURLStaysOnTheSite(t *testing.T) {
	for _, s := range slices.Concat(offSite, redirectVariants()) {
		for _, s := range unescapings(s) {
			if got, ok := Parse(s); !sameSite(got) || !ok && got != "/" {
				t.Errorf("ParseReturnTo(%q) = %q, %v", s, got, ok)
			}
			for _, u := range requestsFor(s) {
				got := Of(u)
				checkReturnURL(t, got)
			}
		}
	}
}

func TestParseReturnToRefuses(t *testing.T) {
	for _, s := range offSite {
		if got, ok := Parse(s); ok || got != "/" {
			t.Errorf("ParseReturnTo(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestReturnURLKeepsBytes(t *testing.T) {
	for _, s := range onSite {
		want := strings.Replace(s, "<", "%3C", 1)
		u, err := url.ParseRequestURI(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := Of(u); got != want {
			t.Errorf("ReturnURL(%q) = %q", s, got)
		}
		if got, ok := Parse(s); !ok || got != want {
			t.Errorf("ParseReturnTo(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestReturnURLOfOddRequests(t *testing.T) {
	long := "/" + strings.Repeat("a", 1023)
	tests := []struct {
		name string
		u    *url.URL
		want string
	}{
		{"absolute form", &url.URL{Scheme: "http", Host: "evil.example", Path: "/x", RawQuery: "y=1"}, "/x?y=1"},
		{"user info", &url.URL{User: url.User("a"), Host: "evil.example", Path: "/x"}, "/x"},
		{"opaque", &url.URL{Scheme: "javascript", Opaque: "alert(1)"}, "/"},
		{"asterisk", &url.URL{Path: "*"}, "/"},
		{"empty", &url.URL{}, "/"},
		{"fragment", &url.URL{Path: "/x", Fragment: "f"}, "/x"},
		{"fragment in the request line", &url.URL{Path: "/x#f", RawQuery: "y#f"}, "/x%23f?y%23f"},
		{"line break in the query", &url.URL{Path: "/x", RawQuery: "a=\r\nLocation: https://evil.example"}, "/x?a=%0D%0ALocation:%20https://evil.example"},
		{"delete in the query", &url.URL{Path: "/x", RawQuery: "~\x7f\x80"}, "/x?~%7F%80"},
		{"space in the path", &url.URL{Path: "/a b", RawPath: "/a b"}, "/a%20b"},
		{"delete in the path", &url.URL{Path: "/a\x7f", RawPath: "/a\x7f"}, "/a%7F"},
		{"bytes above ASCII", &url.URL{Path: "/é", RawPath: "/é", RawQuery: "é"}, "/%C3%A9?%C3%A9"},
		{"raw path of something else", &url.URL{Path: "/x", RawPath: "//evil.example"}, "/x"},
		{"as long as can be", &url.URL{Path: long}, long},
		{"as long as can be, with its query", &url.URL{Path: "/" + long[3:], RawQuery: "a"}, "/" + long[3:] + "?a"},
		{"one byte too long with its query", &url.URL{Path: "/" + long[2:], RawQuery: "a"}, "/" + long[2:]},
		{"too long with its query", &url.URL{Path: long, RawQuery: "a"}, long},
		{"too long", &url.URL{Path: long + "a"}, "/"},
		{"too long when escaped", &url.URL{Path: "/" + strings.Repeat("é", 300)}, "/"},
		{"query too long when escaped", &url.URL{Path: "/x", RawQuery: strings.Repeat("é", 300)}, "/x"},
		{"longer than 8 KB", &url.URL{Path: "/" + strings.Repeat("%25", 9000), RawQuery: strings.Repeat("b", 9000)}, "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.u); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReturnURLOn(t *testing.T) {
	u := &url.URL{Path: "/x", RawQuery: "y"}
	tests := []struct{ host, domain, want string }{
		{"example.com", "example.com", "https://example.com/x?y"},
		{"a.b.example.com:8443", "example.com", "https://a.b.example.com:8443/x?y"},
		{"A.Example.COM", ".example.com", "https://A.Example.COM/x?y"},
		{"evilexample.com", "example.com", "/x?y"},
		{"example.com.evil.example", "example.com", "/x?y"},
		{"example.com.", "example.com", "/x?y"},
		{"a@example.com", "example.com", "/x?y"},
		{"@.example.com", "example.com", "/x?y"},
		{`evil.example\.example.com`, "example.com", "/x?y"},
		{"evil.example/.example.com", "example.com", "/x?y"},
		{"evil.example#.example.com", "example.com", "/x?y"},
		{"a..example.com", "example.com", "/x?y"},
		{".example.com", "example.com", "/x?y"},
		{"example.com:", "example.com", "/x?y"},
		{"example.com:80@evil.example", "example.com", "/x?y"},
		{"[::1]", "example.com", "/x?y"},
		{"", "example.com", "/x?y"},
		{"example.com", "", "/x?y"},
		{"", "", "/x?y"},
	}
	for _, tt := range tests {
		got := OfOn(u, "https", tt.host, tt.domain)
		if got != tt.want {
			t.Errorf("host %q, domain %q: got %q, want %q", tt.host, tt.domain, got, tt.want)
		}
		if back, ok := ParseOn(got, "https", tt.domain); !ok || back != got {
			t.Errorf("ParseReturnToOn(%q) = %q, %v", got, back, ok)
		}
	}
}

func TestParseReturnToOn(t *testing.T) {
	tests := []struct {
		s, want string
		ok      bool
	}{
		{"/x", "/x", true},
		{"//a.example.com/x", "/", false},
		{"https://a.example.com", "https://a.example.com/", true},
		{"https://a.example.com?x", "https://a.example.com/?x", true},
		{"https://a.example.com/x#f", "https://a.example.com/x", true},
		{"https://a.example.com//evil.example", "/", false},
		{"http://a.example.com/x", "/", false},
		{"https:/a.example.com/x", "/", false},
		{"https:///a.example.com/x", "/", false},
		{"https://evil.example/x", "/", false},
		{`https://evil.example\.example.com/x`, "/", false},
		{"https://a.example.com@evil.example/x", "/", false},
		{"https://evil.example\t.example.com/x", "/", false},
	}
	for _, tt := range tests {
		if got, ok := ParseOn(tt.s, "https", "example.com"); got != tt.want || ok != tt.ok {
			t.Errorf("ParseReturnToOn(%q) = %q, %v, want %q, %v", tt.s, got, ok, tt.want, tt.ok)
		}
	}
}

// redirectVariants builds what the public payload lists are made of: leading
// separators, dot segments and white space, raw and escaped, before a host.
func redirectVariants() []string {
	separators := []string{"/", "\\", "%2f", "%5C", "%252F"}
	between := []string{"", ".", "..", "\t", "%09", "%0d%0a", " ", "%20", "%00", "@", ";", "%2e%2e", ".%2E", "x/..", "\u3035", "\uff0f", "\x00", "<>"}
	hosts := []string{"evil.example", "good.example@evil.example", "evil.example%2f..", "evil.example:80/%2f..", "javascript:alert(1)", "216.58.214.206", "[::1]/"}
	inner := []string{"", ".", "..", "\t", "%09", "@", "x/.."}
	var variants []string
	for _, first := range separators {
		for _, a := range between {
			for _, second := range separators {
				for _, b := range inner {
					variants = append(variants, first+a+second+b+hosts[len(variants)%len(hosts)])
					variants = append(variants, first+a+second+b+first+hosts[len(variants)%len(hosts)])
				}
			}
		}
	}
	return variants
}

// unescapings returns s and what decoding it once and twice makes of it.
func unescapings(s string) []string {
	all := []string{s}
	for range 2 {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == s {
			break
		}
		s = decoded
		all = append(all, s)
	}
	return all
}

// requestsFor returns the URLs that a server could have parsed from a request
// line with s in it.
func requestsFor(s string) []*url.URL {
	requests := []*url.URL{{Path: s, RawPath: s}, {Path: "/" + s}, {Path: s, RawQuery: s}, {Path: "/", RawPath: s, RawQuery: s}, {Host: s, Path: s}}
	for _, parse := range []func(string) (*url.URL, error){url.Parse, url.ParseRequestURI} {
		if u, err := parse(s); err == nil {
			requests = append(requests, u)
		}
	}
	return requests
}

// What JSON writes as two bytes counts twice: the login cookie would not take it.
func TestSize(t *testing.T) {
	for s, want := range map[string]int{"": 0, "/a?b=c": 6, `/a?b="`: 7, `/a?b=\`: 7, `/"\"`: 7} {
		if got := Size(s); got != want {
			t.Errorf("%s takes %d, want %d", s, got, want)
		}
	}
}
