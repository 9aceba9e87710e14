package conf

import (
	"strings"
	"testing"
)

func TestAbsoluteURLs(t *testing.T) {
	for text, want := range map[string]string{ // "" for a good one
		"https://app.example.com/cb?a=b":    "",
		"https://app.example.com:65535":     "",
		"https://192.0.2.1/":                "",
		"https://[2001:db8::1]:8443/":       "",
		"http://127.0.0.1:8080/":            "",
		"http://[::1]/":                     "",
		"http://app.localhost":              "",
		"http://app.example.com/":           "must be https; plain http is only for 127.0.0.1, [::1] and localhost",
		"http://localhost.example.com/":     "must be https",
		"https:///cb":                       "is not an absolute URL that begins with https://",
		"/cb":                               "is not an absolute URL",
		"app.example.com":                   "is not an absolute URL",
		"ftp://app.example.com/":            "is not an absolute URL",
		"https://app.example.com/%zz":       "is not a URL",
		"https://ada:pa55@app.example.com/": "must not contain a user name or password",
		"https://ada@app.example.com/":      "must not contain a user name or password",
		"https://bücher.example/":           "has no valid host",
		"https://a..b/":                     "has no valid host",
		"https://[fe80::1%25eth0]/":         "has no valid host",
		"https://app.example.com:/":         "has no valid port",
		"https://app.example.com:0/":        "has no valid port",
		"https://app.example.com:65536/":    "has no valid port",
		"ada:pa55@app.example.com:x/":       "is not a",
	} {
		r := newResolver(t)
		u, ok := r.AbsoluteURL(Value{Option: "url", Raw: text, Text: text})
		got := mistakes(r)
		if ok != (want == "") || ok != (got == "") || ok && u.String() != text || !strings.Contains(got, want) {
			t.Errorf("%s: %t, %s", text, ok, got)
		}
		if strings.Contains(got, "pa55") {
			t.Errorf("a password is shown: %s", got)
		}
	}
	for text, scheme := range map[string]string{
		"app.example.com": "https", "app.example.com:8443/cb": "https", "localhost:8080/cb": "http", "127.0.0.1": "http",
		"/cb": "", "app": "", "ada@app.example.com": "", "ftp://app.example.com/": "",
	} {
		r := newResolver(t)
		r.AbsoluteURL(Value{Option: "url", Raw: text, Text: text})
		if got := mistakes(r); strings.Contains(got, "missing?") != (scheme != "") || !strings.Contains(got, scheme+":// missing?") && scheme != "" {
			t.Errorf("%s: %s", text, got)
		}
	}
	r := newResolver(t)
	if u, ok := r.WebURL(Value{Text: "http://app.example.com/"}); !ok || u.Scheme != "http" || r.Err() != nil {
		t.Errorf("%v, %v", u, r.Err())
	}
}

func TestBaseURLs(t *testing.T) {
	for raw, want := range map[string]struct{ url, mistake string }{
		"":                           {"standard", ""},
		"https://Zoom.US:443/base//": {"https://zoom.us/base", ""},
		"https://zoom.us":            {"https://zoom.us", ""},
		"http://localhost:80/a%20b":  {"http://localhost/a%20b", ""},
		"http://localhost:443":       {"http://localhost:443", ""},
		"https://zoom.us:80":         {"https://zoom.us:80", ""},
		"https://zoom.us?a":          {"https://zoom.us", "must not have a query or a fragment"},
		"https://zoom.us?":           {"https://zoom.us", "must not have a query or a fragment"},
		"https://zoom.us#":           {"https://zoom.us", "must not have a query or a fragment"},
		"http://zoom.us":             {"standard", "must be https"},
		"https://zoom.us ":           {"standard", "white space"},
	} {
		r := newResolver(t)
		if got := r.BaseURL("api_url", raw, "standard"); got != want.url || (r.Err() == nil) != (want.mistake == "") || !strings.Contains(mistakes(r), want.mistake) {
			t.Errorf("%q: %s, %v", raw, got, r.Err())
		}
	}
}

func TestHosts(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := strings.Repeat(label+".", 3) + strings.Repeat("b", 61) // 253 bytes
	for host, want := range map[string]struct{ valid, address, loopback bool }{
		"app.example.com":    {true, false, false},
		"APP_1.example-2.ZZ": {true, false, false},
		"0.9az.AZ":           {true, false, false},
		"localhost":          {true, false, true},
		"app.LOCALHOST":      {true, false, true},
		"applocalhost":       {true, false, false},
		"127.0.0.1":          {true, true, true},
		"127.9.9.9":          {true, true, true},
		"128.0.0.1":          {true, true, false},
		"::1":                {false, true, true},
		"::ffff:127.0.0.1":   {false, true, true},
		"2001:db8::1":        {false, true, false},
		"fe80::1%eth0":       {false, false, false},
		label + ".example":   {true, false, false},
		label + "a.example":  {false, false, false},
		long:                 {true, false, false},
		long + "b":           {false, false, false},
		"":                   {false, false, false},
		"a..b":               {false, false, false},
		".a":                 {false, false, false},
		"a.":                 {false, false, false},
		"-a.b":               {false, false, false},
		"a-.b":               {false, false, false},
		"a-b_c.d":            {true, false, false},
		"a b":                {false, false, false},
		"a/b":                {false, false, false},
		"bücher.example":     {false, false, false},
		"\u212a.example":     {false, false, false}, // the Kelvin sign, a k to strings.ToLower
	} {
		if got := ValidHost(host); got != want.valid {
			t.Errorf("%q is valid: %t", host, got)
		}
		if got := IsAddress(host); got != want.address {
			t.Errorf("%q is an address: %t", host, got)
		}
		if got := IsLoopback(host); got != want.loopback {
			t.Errorf("%q is of the machine: %t", host, got)
		}
	}
	if got := LowerASCII("@AMZ[`amz{Ä\u212a"); got != "@amz[`amz{Ä\u212a" {
		t.Errorf("got %q", got)
	}
	for host, want := range map[string]bool{"example.com": true, "a.example.com": true, "aexample.com": false, "com": false} {
		if got := InDomain(host, "example.com"); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
}

func TestIsPlainPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/a": true, "/a/b.c": true, "/": false, "": false, "a": false, "/a/": false, "/a//b": false, "/a/../b": false, "/a b": false, "/ä": false, "/a%20b": false, "/a?b": false,
	} {
		if got := IsPlainPath(path); got != want {
			t.Errorf("%q: %t", path, got)
		}
	}
}
