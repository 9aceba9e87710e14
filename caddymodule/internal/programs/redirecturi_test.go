package programs

import (
	"os"
	"strings"
	"testing"
)

func TestRedirectURIs(t *testing.T) {
	for uri, good := range map[string]bool{
		"https://app.example/cb":               true,
		"https://app.example:8443/cb?a=b":      true,
		"https://app.example":                  true,
		"http://127.0.0.1/cb":                  true,
		"http://127.0.0.1:0/":                  true,
		"http://[::1]:8080/cb":                 true,
		"http://localhost":                     true,
		"com.example.app:/cb":                  true,
		"com.example.app://cb":                 true,
		"myapp:cb":                             true,
		"cursor://anysphere.cursor-mcp/oauth":  true,
		"":                                     false,
		"/cb":                                  false,
		"//app.example/cb":                     false,
		"https:///cb":                          false,
		"https://":                             false,
		"https://app.example/cb#f":             false,
		"https://app.example/cb#":              false,
		"https://user@app.example/cb":          false,
		"https://app.example/ cb":              false,
		"https://app.example/c\tb":             false,
		"https://app.example/c\nb":             false,
		"https://app.example\\@evil.example/":  false,
		"https://äpp.example/":                 false,
		"HTTPS://app.example/cb":               false,
		"Com.example.app:/cb":                  false,
		"http://app.example/cb":                false,
		"http://127.0.0.2/cb":                  false,
		"http://127.0.0.1.evil.example/cb":     false,
		"http://localhost.evil.example/cb":     false,
		"http://localhost@evil.example/cb":     false,
		"http:cb":                              false,
		"javascript:alert(1)":                  false,
		"javascript://app.example/%0aalert(1)": false,
		"data:text/html,x":                     false,
		"file:///etc/passwd":                   false,
		"vbscript:x":                           false,
		"blob:https://app.example/x":           false,
		"about:blank":                          false,
		"mailto:a@b.example":                   false,
		"ws://127.0.0.1/":                      false,
		"wss://app.example/":                   false,
		"ftp://app.example/":                   false,
		"https://app.example/!~":               true,
		"https://app.example/\x7f":             false,
		"https://app.example/%zz":              false,
		"https://a.example/" + long(482):       true,
		"https://a.example/" + long(483):       false,
	} {
		if err := CheckRedirectURI(uri); (err == nil) != good {
			t.Errorf("%.60q: %v", uri, err)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// The port of a loopback address is free, its name, path and query are not; all
// others are compared as strings.
func TestSameRedirect(t *testing.T) {
	tests := []struct {
		registered, asked string
		same              bool
	}{
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true},
		{"http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true},
		{"http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true},
		{"http://localhost/cb", "http://localhost:3334/cb", true},
		{"http://[::1]/cb", "http://[::1]:3334/cb", true},
		{"http://127.0.0.1", "http://127.0.0.1:33418/", true},
		{"http://127.0.0.1/", "http://127.0.0.1:33418", true},
		{"http://127.0.0.1/?a=b", "http://127.0.0.1:1?a=b", true},
		{"http://127.0.0.1/cb", "http://localhost/cb", false},
		{"http://localhost/cb", "http://127.0.0.1/cb", false},
		{"http://127.0.0.1/cb", "https://127.0.0.1/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1/cb/", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1/cb?a=b", false},
		{"http://127.0.0.1/cb?a=b", "http://127.0.0.1:1/cb?a=c", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:1/../cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:@evil.example/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:123456/cb", false},
		{"http://127.0.0.1/cb", "HTTP://127.0.0.1/cb", false},
		{"http://127.0.0.1/cb", "", false},
		{"http://127.0.0.1:123456/cb", "http://127.0.0.1:123457/cb", false},
		{"http://127.0.0.1x/cb", "http://127.0.0.1y/cb", false},
		{"https://app.example/cb", "https://app.example/cb", true},
		{"https://app.example/cb", "https://app.example:443/cb", false},
		{"https://app.example/cb", "https://app.example/cb/", false},
		{"https://app.example/cb", "https://app.example/CB", false},
		{"https://app.example/cb", "https://app.example/cb%2f", false},
		{"https://app.example", "https://app.example/", false},
		{"https://localhost/cb", "https://localhost:1/cb", false},
		{"com.example.app:/cb", "com.example.app:/cb", true},
		{"com.example.app:/cb", "com.example.app:/cb?x", false},
		{"com.example.app:/cb", "com.example.app://cb", false},
	}
	for _, tt := range tests {
		c := Client{RedirectURIs: []string{"https://first.example/", tt.registered}}
		target, ok := c.redirect(tt.asked)
		if ok != tt.same || ok && target.uri != tt.asked {
			t.Errorf("%s for %s: %v, %q", tt.asked, tt.registered, ok, target.uri)
		}
	}
}

func TestClientIDs(t *testing.T) {
	for id, good := range map[string]bool{
		"phone": true, "com.example.app": true, "a b": false, "": false, "https://app.example/": false, "a:b": false,
		"a\"b": false, "ä": false, "a\n": false, "a!~": true, "a\x7f": false, long(200): true, long(201): false,
	} {
		if err := CheckClientID(id); (err == nil) != good {
			t.Errorf("%.20q: %v", id, err)
		}
	}
}

// Attack 13: whatever a client calls itself, it cannot leave its place in the page.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"The App":               "The App",
		"  The \t\n App ":       "The App",
		"safe\u202Eevil":        "safeevil",
		"a\u200Bb\uFEFF":        "ab",
		"a\uFFFDb":              "ab",
		long(100):               long(100),
		long(101):               long(100) + "…",
		"\x00\x1b[31mred":       "[31mred",
		"\xff\xfe":              "",
		"<script>":              "<script>",
		strings.Repeat("ä", 60): strings.Repeat("ä", 50) + "…",

		"Z" + strings.Repeat("\u0335\u0489", 20) + "oom": "Z\u0335\u0489\u0335\u0489oom", // a heap on the lines around
		"a\u0301\u200b\u0301\u0301\u0301\u0301b":         "a\u0301\u0301\u0301\u0301b",
		"Viê\u0323t e\u0301e\u0301":                      "Viê\u0323t e\u0301e\u0301",
		"\u3164\u115f\uffa0\u2800\u034f":                 "", // letters and signs that nobody sees
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// Operators read whom they let in without having written it.
func TestLargeHostsAreDocumented(t *testing.T) {
	document, err := os.ReadFile("../../PROGRAMS.md")
	if err != nil {
		t.Fatal(err)
	}
	for option, hosts := range map[string][]string{
		"`client_documents`, whatever you add":  LargeDocumentHosts,
		"`redirect_hosts`, unless you write it": LargeRedirectHosts,
	} {
		if row := "| " + option + " | `" + strings.Join(hosts, "` `") + "` |\n"; !strings.Contains(string(document), row) {
			t.Errorf("caddymodule/PROGRAMS.md does not say\n%s", row)
		}
	}
}
