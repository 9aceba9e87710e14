package caddymodule

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
		{"navigation", "GET", navigate, pageLoad},
		{"navigation that accepts anything", "GET", append(navigate, "Accept: */*"), pageLoad},
		{"navigation from another site", "GET", append(navigate, "Sec-Fetch-Site: cross-site", "Sec-Fetch-User: ?1"), pageLoad},
		{"navigation, h2c upgrade", "GET", append(navigate, "Upgrade: h2c"), pageLoad},
		{"iframe", "GET", frame("iframe"), framedLoad},
		{"frame", "GET", frame("frame"), framedLoad},
		{"embed", "GET", frame("embed"), framedLoad},
		{"object", "GET", frame("object"), framedLoad},
		{"fenced frame", "GET", frame("fencedframe"), framedLoad},
		{"object that is no navigation", "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: object"}, otherRequest},
		{"fetch", "GET", []string{"Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: " + html}, otherRequest},
		{"image", "GET", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, otherRequest},
		{"service worker script", "GET", []string{"Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: serviceworker"}, otherRequest},
		{"navigation without destination", "GET", []string{"Sec-Fetch-Mode: navigate", "Accept: " + html}, otherRequest},
		{"destination without mode", "GET", []string{"Sec-Fetch-Dest: document", "Accept: " + html}, otherRequest},
		{"any fetch metadata overrules Accept", "GET", []string{"Sec-Fetch-Site: none", "Accept: " + html}, otherRequest},
		{"future fetch metadata overrules Accept", "GET", []string{"Sec-Fetch-Storage-Access: active", "Accept: " + html}, otherRequest},
		{"HEAD", "HEAD", navigate, otherRequest},
		{"POST", "POST", navigate, otherRequest},
		{"POST into a frame", "POST", frame("iframe"), otherRequest},
		{"OPTIONS", "OPTIONS", append(navigate, "Accept: "+html), otherRequest},
		{"lower-case get", "get", navigate, otherRequest},
		{"prefetch", "GET", append(navigate, "Sec-Purpose: prefetch"), otherRequest},
		{"prerender", "GET", append(navigate, "Sec-Purpose: prefetch;prerender"), otherRequest},
		{"prefetch in a frame", "GET", append(frame("iframe"), "Sec-Purpose: prefetch"), otherRequest},
		{"old prefetch", "GET", append(navigate, "Purpose: prefetch"), otherRequest},
		{"Safari's preview", "GET", []string{"X-Purpose: preview", "Accept: " + html}, otherRequest},
		{"Firefox's prefetch", "GET", []string{"X-Moz: prefetch", "Accept: " + html}, otherRequest},
		{"some other purpose", "GET", append(navigate, "Purpose: work"), pageLoad},
		{"WebSocket", "GET", append(navigate, "Connection: Upgrade", "Upgrade: websocket"), otherRequest},
		{"WebSocket, among others", "GET", []string{"Accept: " + html, "Upgrade: h2c, WebSocket"}, otherRequest},
		{"old browser", "GET", []string{"Accept: " + html}, pageLoad},
		{"old browser, second line", "GET", []string{"Accept: image/png", "Accept: text/html"}, pageLoad},
		{"old browser, other case and parameters", "GET", []string{`Accept: TEXT/HTML;level=1;q="0.1"`}, pageLoad},
		{"old browser's script", "GET", []string{"Accept: " + html, "X-Requested-With: XMLHttpRequest"}, otherRequest},
		{"curl", "GET", []string{"Accept: */*"}, otherRequest},
		{"nothing", "GET", nil, otherRequest},
		{"text in general", "GET", []string{"Accept: text/*"}, otherRequest},
		{"not html", "GET", []string{"Accept: text/html;q=0, application/json"}, otherRequest},
		{"not html at all", "GET", []string{"Accept: text/html;q=0.000"}, otherRequest},
		{"nonsense weight", "GET", []string{"Accept: text/html;q=x"}, otherRequest},
		{"no number", "GET", []string{"Accept: text/html;q=NaN"}, otherRequest},
		{"event stream", "GET", []string{"Accept: text/event-stream"}, otherRequest},
		{"html in a parameter", "GET", []string{`Accept: text/plain;x=",text/html,"`}, otherRequest},
		{"html in the name of something else", "GET", []string{"Accept: text/html-sandboxed, text/htmlx"}, otherRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := requestWith(tt.method, tt.headers...)
			if got := classify(r); got != tt.want {
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
			if got := classify(tt.r); got != otherRequest {
				t.Errorf("navigation %d", got)
			}
		})
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
