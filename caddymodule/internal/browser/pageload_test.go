package browser

import (
	"net/http"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	html := "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	navigate := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	frame := func(dest string) []string { return []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: " + dest} }
	tests := []struct {
		name    string
		method  string
		headers []string
		want    navigation
	}{
		{"navigation", "GET", navigate, PageLoad},
		{"navigation that accepts anything", "GET", append(navigate, "Accept: */*"), PageLoad},
		{"navigation from another site", "GET", append(navigate, "Sec-Fetch-Site: cross-site", "Sec-Fetch-User: ?1"), PageLoad},
		{"navigation, h2c upgrade", "GET", append(navigate, "Upgrade: h2c"), PageLoad},
		{"iframe", "GET", frame("iframe"), FramedLoad},
		{"frame", "GET", frame("frame"), FramedLoad},
		{"embed", "GET", frame("embed"), FramedLoad},
		{"object", "GET", frame("object"), FramedLoad},
		{"fenced frame", "GET", frame("fencedframe"), FramedLoad},
		{"object that is no navigation", "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: object"}, Other},
		{"fetch", "GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: " + html}, Other},
		{"image", "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, Other},
		{"service worker script", "GET", []string{"Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: serviceworker"}, Other},
		{"navigation without destination", "GET", []string{"Sec-Fetch-Mode: navigate", "Accept: " + html}, Other},
		{"destination without mode", "GET", []string{"Sec-Fetch-Dest: document", "Accept: " + html}, Other},
		{"any fetch metadata overrules Accept", "GET", []string{"Sec-Fetch-Site: none", "Accept: " + html}, Other},
		{"future fetch metadata overrules Accept", "GET", []string{"Sec-Fetch-Storage-Access: active", "Accept: " + html}, Other},
		{"HEAD", "HEAD", navigate, Other},
		{"POST", "POST", navigate, FormPost},
		{"POST into a frame", "POST", frame("iframe"), FormPost},
		{"POST through a service worker", "POST", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty", "Accept: " + html}, FormPost},
		{"POST of an old browser", "POST", []string{"Accept: " + html}, FormPost},
		{"POST of a script", "POST", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: " + html}, Other},
		{"POST of curl", "POST", []string{"Accept: */*"}, Other},
		{"PUT", "PUT", navigate, Other},
		{"page load through a service worker", "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty", "Accept: " + html}, PageLoad},
		{"prefetch through a service worker", "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty", "Accept: " + html, "Sec-Purpose: prefetch"}, Other},
		{"service worker that asks for anything", "GET", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty", "Accept: */*"}, Other},
		{"Android's web view", "GET", []string{"Accept: " + html, "X-Requested-With: com.example.app"}, PageLoad},
		{"script in Android's web view", "GET", []string{"Accept: " + html, "X-Requested-With: com.example.app", "X-Requested-With: xmlhttprequest"}, Other},
		{"OPTIONS", "OPTIONS", append(navigate, "Accept: "+html), Other},
		{"lower-case get", "get", navigate, Other},
		{"prefetch", "GET", append(navigate, "Sec-Purpose: prefetch"), Other},
		{"prerender", "GET", append(navigate, "Sec-Purpose: prefetch;prerender"), Other},
		{"prefetch in a frame", "GET", append(frame("iframe"), "Sec-Purpose: prefetch"), Other},
		{"old prefetch", "GET", append(navigate, "Purpose: prefetch"), Other},
		{"Safari's preview", "GET", []string{"X-Purpose: preview", "Accept: " + html}, Other},
		{"Firefox's prefetch", "GET", []string{"X-Moz: prefetch", "Accept: " + html}, Other},
		{"old prefetch in other letters", "GET", append(navigate, "Purpose: Prefetch"), Other},
		{"some other purpose", "GET", append(navigate, "Purpose: work"), PageLoad},
		{"WebSocket", "GET", append(navigate, "Connection: Upgrade", "Upgrade: websocket"), Other},
		{"WebSocket, among others", "GET", []string{"Accept: " + html, "Upgrade: h2c, WebSocket"}, Other},
		{"old browser", "GET", []string{"Accept: " + html}, PageLoad},
		{"old browser, second line", "GET", []string{"Accept: image/png", "Accept: text/html"}, PageLoad},
		{"old browser, html among others", "GET", []string{"Accept: image/png,text/html"}, PageLoad},
		{"old browser, html after nothing", "GET", []string{"Accept: ,text/html"}, PageLoad},
		{"old browser, html after a stray backslash", "GET", []string{`Accept: a/b\,text/html`}, PageLoad},
		{"old browser, other case and parameters", "GET", []string{`Accept: TEXT/HTML;level=1;q="0.1"`}, PageLoad},
		{"old browser's script", "GET", []string{"Accept: " + html, "X-Requested-With: XMLHttpRequest"}, Other},
		{"curl", "GET", []string{"Accept: */*"}, Other},
		{"nothing", "GET", nil, Other},
		{"text in general", "GET", []string{"Accept: text/*"}, Other},
		{"not html", "GET", []string{"Accept: text/html;q=0, application/json"}, Other},
		{"not html at all", "GET", []string{"Accept: text/html;q=0.000"}, Other},
		{"nonsense weight", "GET", []string{"Accept: text/html;q=x"}, Other},
		{"no number", "GET", []string{"Accept: text/html;q=NaN"}, Other},
		{"event stream", "GET", []string{"Accept: text/event-stream"}, Other},
		{"parameter without a value", "GET", []string{"Accept: text/html;q"}, Other},
		{"html behind a quoted quote", "GET", []string{`Accept: text/plain;x="\",text/html,"`}, Other},
		{"html in a parameter", "GET", []string{`Accept: text/plain;x=",text/html,"`}, Other},
		{"html in the name of something else", "GET", []string{"Accept: text/html-sandboxed, text/htmlx"}, Other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := requestWith(tt.method, tt.headers...)
			if got := Classify(r); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestIsWebSocket(t *testing.T) {
	h2 := requestWith("CONNECT", "Sec-Fetch-Mode: websocket")
	h2.Header[":protocol"] = []string{"websocket"}
	h3 := requestWith("CONNECT")
	h3.Proto, h3.ProtoMajor = "websocket", 3
	webtransport := requestWith("CONNECT")
	webtransport.Proto, webtransport.ProtoMajor = "webtransport", 3
	tests := []struct {
		name string
		r    *http.Request
		want bool
	}{
		{"HTTP/1", requestWith("GET", "Connection: keep-alive, Upgrade", "Upgrade: websocket"), true},
		{"HTTP/2", h2, true},
		{"HTTP/3", h3, true},
		{"WebTransport", webtransport, false},
		{"tunnel", requestWith("CONNECT"), false},
		{"page", requestWith("GET", "Upgrade-Insecure-Requests: 1"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := isWebSocket(tt.r); got != tt.want {
				t.Errorf("got %v", got)
			}
			if got := Classify(tt.r); got != Other {
				t.Errorf("navigation %d", got)
			}
		})
	}
}

func TestWantsPage(t *testing.T) {
	for _, tt := range []struct {
		headers []string
		want    bool
	}{
		{[]string{"Sec-Fetch-Mode: navigate"}, true},
		{[]string{"Sec-Fetch-Mode: cors", "Accept: text/html"}, false},
		{[]string{"Accept: text/html"}, true},
		{[]string{"Accept: application/json"}, false},
		{[]string{"Accept: text/html", "X-Requested-With: XMLHttpRequest"}, false},
	} {
		if got := WantsPage(requestWith("POST", tt.headers...)); got != tt.want {
			t.Errorf("%q: %t", tt.headers, got)
		}
	}
}

func TestIsSameOriginFetch(t *testing.T) {
	for _, tt := range []struct {
		headers []string
		want    bool
	}{
		{[]string{"Sec-Fetch-Site: same-origin"}, true},
		{[]string{"Sec-Fetch-Site: same-site"}, false},
		{[]string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"}, false},
		{nil, false},
	} {
		if got := IsSameOriginFetch(requestWith("GET", tt.headers...).Header); got != tt.want {
			t.Errorf("%q: %t", tt.headers, got)
		}
	}
}

// requestWith returns a request to https://app.example.com/x.
func requestWith(method string, headers ...string) *http.Request {
	r := &http.Request{Method: method, Host: "app.example.com", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header)}
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Add(key, value)
	}
	return r
}
