package browser

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestReadings(t *testing.T) {
	for target, want := range map[string]string{
		"/public/..;/secret":           "/secret",
		"/public/%2e%2e;/secret":       "/secret",
		"/public/..%3b/secret":         "/secret",
		"/public/..%3Bx=1/secret":      "/secret",
		`/public/..\secret`:            "/secret",
		"/public/..%5csecret":          "/secret",
		"/public%5C..%5Csecret":        "/secret",
		"/app;x=1/secret":              "/app/secret",
		"/;/app/secret":                "/app/secret",
		"/app;a;b/;c/secret;d":         "/app/secret",
		"/public/x;/../..;y/secret":    "/secret",
		`/public;\..\..\secret`:        "/secret",
		"/app;%2f..%2fpublic/x":        "/app/x",              // parameters dropped, then decoded
		`/app;%5c..%5cpublic/x`:        "/app/x",              //
		"/public/%252e%252e/secret":    "/secret",             // decoded twice
		"/public/..%253b/secret":       "/secret",             //
		"/public/..%255Csecret":        "/secret",             //
		"/public/%25zz/%252e./..;/app": "/app",                // with what is no escape
		"/public/%252e%252e/%25":       "/%",                  //
		"/public/%252e%252e/%254":      "/%4",                 //
		"/app%253fx/../../public":      "/app",                // decoded, and parsed anew
		"/app%23/../public":            "/app",                //
		"/app/../public":               "/app/%2e%2e/public",  // routed, then resolved, if ever
		"/app/..%2fpublic":             "/app/%2e%2e/public",  //
		"/app/..;/public":              "/app/%2e%2e/public",  //
		"//public/secret":              "/secret",             // new URL(path, base)
		`/\public/secret`:              "/secret",             //
		"/./public":                    "/%2e/public",         // a name
		"//public/public/x":            "/%2fpublic/public/x", //
		"/public%2fx":                  "/public%2fx",         // routed as it came
		"/p%75blic/x":                  "/p%75blic/x",         //
		"/./app;x":                     "/app",                // cleaned
		"/app/;":                       "/app/",               // as a folder
		"/a//../b/x":                   "/a/b/x",              // RFC 3986, section 5.2.4
		"/a/;/..;/b/x":                 "/a/b/x",              //
		`/a/\..\b/x`:                   "/a/b/x",              //
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Readings(u); !slices.Contains(got, want) {
			t.Errorf("%s is read as %q, want %s among them", target, got, want)
		}
	}
}

func TestPlainPathsHaveOneReadingAndCostNothing(t *testing.T) {
	for _, target := range []string{
		"/", "/app/secret", "/a%20b/%C3%A4", "/a//b", "/.well-known/x", "/...", "/a/.b", "/x?a=;&b=\\&c=%3b",
		"/" + strings.Repeat("segment/", 1000),
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if got, all := Readings(u); got != nil || !all {
			t.Errorf("%.40s is read as %q", target, got)
		}
		if n := testing.AllocsPerRun(100, func() { Readings(u) }); n != 0 {
			t.Errorf("%.40s: %v allocations", target, n)
		}
	}
}

// What never has to be escaped (RFC 3986, section 2.3), or means something else once it
// is decoded, gives a path another reading; all other bytes do not.
func TestWhichEscapesHaveReadings(t *testing.T) {
	for b := range 256 {
		u, err := url.ParseRequestURI(fmt.Sprintf("/a%%%02x/b", b))
		if err != nil {
			t.Fatal(err)
		}
		want := b < 0x80 && regexp.MustCompile(`[A-Za-z0-9._~/;\\%?#-]`).MatchString(string(rune(b)))
		if got, _ := Readings(u); (got != nil) != want {
			t.Errorf("%s is read as %q", u.EscapedPath(), got)
		}
	}
}

func TestLongPathsAreNotRead(t *testing.T) {
	path := "/;/" + strings.Repeat("a", 2045)
	if got, all := Readings(&url.URL{Path: path}); got == nil || !all {
		t.Error("2 KiB are not read")
	}
	if got, all := Readings(&url.URL{Path: path + "a"}); got != nil || all {
		t.Error("more than 2 KiB are read")
	}
}

// The work that a hostile path makes is bounded: readings are few, and none is
// much longer than the path.
func TestReadingsAreFew(t *testing.T) {
	for _, part := range []string{"..;/", `.\..\`, "%2e%252e;%3b/", "a;%2f..%2f", "//;x/", "%%2525/."} {
		u := &url.URL{Path: "/" + strings.Repeat(part, 100)}
		got, all := Readings(u)
		if len(got) > 30 || !all {
			t.Errorf("%s: %d readings", part, len(got))
		}
		for _, reading := range got {
			if len(reading) > 3*len(u.Path) || reading[0] != '/' {
				t.Errorf("%s: read as %.40q of %d bytes", part, reading, len(reading))
			}
		}
		long := &url.URL{Path: "/" + strings.Repeat(part, 100_000)}
		if got, all := Readings(long); got != nil || all {
			t.Errorf("%s: %d readings of %d bytes", part, len(got), len(long.Path))
		}
	}
}
