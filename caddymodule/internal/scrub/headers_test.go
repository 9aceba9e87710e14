package scrub

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

var promisedNames = []string{
	"X-Zoom-Access-Token", "X-Zoom-User-Id", "X-Zoom-Account-Id", "X-Zoom-User-Email",
	"X-Zoom-User-Name", "X-Zoom-Zak", "X-Zoom-Obf", "X-Zoom-Zak-Error",
}

func TestScrubRemovesEverySpelling(t *testing.T) {
	s := NewHeaders(promisedNames)
	for _, key := range []string{
		"X-Zoom-Zak", "x-zoom-zak", "X-ZOOM-ZAK", "X_Zoom_Zak", "X.Zoom.Zak", "x_zoom-zak",
		"X-Zoom.User_Email", "X~Zoom!Zak", "X_Zoom_Zak_Error",
	} {
		t.Run(key, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header[key] = []string{"evil", "evil"}
			s.Remove(r, nil)
			if len(r.Header) != 0 {
				t.Errorf("header survived: %v", r.Header)
			}
		})
	}
}

func TestScrubLeavesOtherHeadersAlone(t *testing.T) {
	s := NewHeaders(promisedNames)
	header := http.Header{
		"X-Zoom":           {"1"},
		"X-Zoom-Zak2":      {"2"},
		"X-Zoom-Za":        {"3"},
		"Xx-Zoom-Zak":      {"4"},
		"X-ZoomZak":        {"5"},
		"Y-Zoom-Zak":       {"6"},
		"X-Zoom-Zal":       {"7"},
		"Authorization":    {"Basic Zm9v"},
		"Cookie":           {"a=1"},
		"Connection":       {"keep-alive, Upgrade"},
		"X-Forwarded-For":  {"192.0.2.1"},
		"X-Zoom-User-Mail": nil,
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = header.Clone()
	s.Remove(r, nil)
	if !maps.EqualFunc(r.Header, header, slices.Equal) {
		t.Errorf("got %v, want %v", r.Header, header)
	}
}

func TestScrubFollowsConfiguredNames(t *testing.T) {
	long := "X-" + strings.Repeat("Long-", 20) + "Name"
	s := NewHeaders([]string{"Authorization", "x_my.token", "", "X-My-Token", long})
	if len(s.names) != 3 {
		t.Fatalf("names: %v", s.names)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Authorization": {"Bearer x"}, "X-My-Token": {"y"}, long: {"z"}, "X-Zoom-Zak": {"z"}}
	s.Remove(r, nil)
	if len(r.Header) != 1 || r.Header.Get("X-Zoom-Zak") != "z" {
		t.Errorf("got %v", r.Header)
	}
}

func TestFoldName(t *testing.T) {
	const kept, letters = "azmnop0129\x80\xc3\xff", "AZMNOP"
	if got := FoldName(kept + letters); got != kept+strings.ToLower(letters) {
		t.Errorf("letters, digits and bytes beyond ASCII fold to %q", got)
	}
	const marks = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x00\x1f\x7f"
	if got := FoldName(marks); got != strings.Repeat("-", len(marks)) {
		t.Errorf("everything else folds to %q", got)
	}
}

// An earlier handler of the same request has set a header: it stays, while a
// client's other spelling of it, and its place in Connection, do not.
func TestScrubKeepsWhatAnEarlierHandlerSet(t *testing.T) {
	s := NewHeaders(promisedNames)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"X-Zoom-Zak":     {"real"},
		"X_zoom_zak":     {"evil"},
		"X-Zoom-User-Id": {"evil"},
		"Connection":     {"X-Zoom-Zak"},
	}
	s.Remove(r, func(canonical string) bool { return canonical == "X-Zoom-Zak" })
	want := http.Header{"X-Zoom-Zak": {"real"}}
	if !maps.EqualFunc(r.Header, want, slices.Equal) {
		t.Errorf("got %v, want %v", r.Header, want)
	}
}

func TestScrubConnection(t *testing.T) {
	s := NewHeaders(promisedNames)
	tests := []struct {
		name      string
		got, want []string
	}{
		{"ours between others", []string{"close, X-Zoom-Zak, Upgrade"}, []string{"close, Upgrade"}},
		{"other case and spelling", []string{"x_zoom.zak,keep-alive"}, []string{"keep-alive"}},
		{"only ours", []string{"X-Zoom-Zak, x-zoom-access-token"}, nil},
		{"empty tokens beside ours", []string{",, X-Zoom-Zak ,\t,"}, nil},
		{"several lines", []string{"close", "X-Zoom-Zak", "te ,X-Zoom-Obf"}, []string{"close", "te"}},
		{"none of ours keeps its bytes", []string{"close ,  Upgrade,"}, []string{"close ,  Upgrade,"}},
		{"empty value", []string{""}, []string{""}},
	}
	for _, key := range []string{"Connection", "Trailer"} {
		for _, tt := range tests {
			t.Run(key+"/"+tt.name, func(t *testing.T) {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header[key] = tt.got
				s.Remove(r, nil)
				if got := r.Header[key]; !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if _, ok := r.Header[key]; ok != (tt.want != nil) {
					t.Errorf("header present: %v", ok)
				}
			})
		}
	}
}

func TestScrubLeavesBodiesWithoutTrailersAlone(t *testing.T) {
	s := NewHeaders(promisedNames)
	body := io.NopCloser(strings.NewReader("hello"))
	tests := []struct {
		name string
		r    *http.Request
		same bool
	}{
		{"no body", &http.Request{ProtoMajor: 1, ContentLength: -1}, true},
		{"empty body", &http.Request{ProtoMajor: 2, ContentLength: 0, Body: http.NoBody, Trailer: http.Header{"A": nil}}, true},
		{"known length", &http.Request{ProtoMajor: 1, ContentLength: 5, Body: body}, true},
		{"HTTP/2 without announced trailers", &http.Request{ProtoMajor: 2, ContentLength: 5, Body: body}, true},
		{"HTTP/2 with announced trailers", &http.Request{ProtoMajor: 2, ContentLength: 5, Body: body, Trailer: http.Header{"A": nil}}, false},
		{"chunked", &http.Request{ProtoMajor: 1, ContentLength: -1, Body: body}, false},
		{"HTTP/3", &http.Request{ProtoMajor: 3, ContentLength: 5, Body: body}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.r.Body
			s.Remove(tt.r, nil)
			if same := tt.r.Body == before; same != tt.same {
				t.Errorf("body kept: %v, want %v", same, tt.same)
			}
		})
	}
}

func BenchmarkScrubNothing(b *testing.B) {
	s := NewHeaders(promisedNames)
	r := browserRequest()
	b.ReportAllocs()
	for b.Loop() {
		s.Remove(r, nil)
	}
}

// browserRequest looks like what Chromium sends for a page of a proxied app.
func browserRequest() *http.Request {
	r := httptest.NewRequest("GET", "/meetings?id=1", nil)
	for key, value := range map[string]string{
		"Accept":                    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
		"Accept-Encoding":           "gzip, deflate, br, zstd",
		"Accept-Language":           "en-GB,en;q=0.9",
		"Connection":                "keep-alive",
		"Cookie":                    "__Host-zoom_pkce_1a2b3c4d=" + strings.Repeat("A", 200) + "; theme=dark; _ga=GA1.1.1",
		"Referer":                   "https://app.example.com/",
		"Sec-Ch-Ua":                 `"Chromium";v="156", "Not)A;Brand";v="8"`,
		"Sec-Ch-Ua-Mobile":          "?0",
		"Sec-Ch-Ua-Platform":        `"Linux"`,
		"Sec-Fetch-Dest":            "document",
		"Sec-Fetch-Mode":            "navigate",
		"Sec-Fetch-Site":            "same-origin",
		"Sec-Fetch-User":            "?1",
		"Upgrade-Insecure-Requests": "1",
		"User-Agent":                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
		"X-Forwarded-For":           "192.0.2.7",
		"X-Forwarded-Proto":         "https",
	} {
		r.Header.Set(key, value)
	}
	return r
}

func TestScrubAllocatesNothingForABrowser(t *testing.T) {
	s := NewHeaders(promisedNames)
	r := browserRequest()
	if n := testing.AllocsPerRun(100, func() { s.Remove(r, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
