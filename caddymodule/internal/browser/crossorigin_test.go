package browser

import (
	"net/http"
	"testing"
)

func TestCrossOrigin(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		same    bool // SameOrigin, for any method
		unsafe  bool // CrossSiteUnsafe, for a POST
		socket  bool // CrossSiteWebSocket, for a handshake
	}{
		{"own page", []string{"Sec-Fetch-Site: same-origin", "Origin: https://app.example.com"}, true, false, false},
		{"own page behind a proxy that rewrites Host", []string{"Sec-Fetch-Site: same-origin", "Origin: https://www.example.com"}, true, false, false},
		{"neighbouring subdomain", []string{"Sec-Fetch-Site: same-site", "Origin: https://evil.example.com"}, false, true, true},
		{"foreign page", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, false, true, true},
		{"foreign page that forges Origin", []string{"Sec-Fetch-Site: cross-site", "Origin: https://app.example.com"}, false, true, true},
		{"sandboxed frame", []string{"Sec-Fetch-Site: cross-site", "Origin: null"}, false, true, true},
		{"no page at all", []string{"Sec-Fetch-Site: none"}, false, false, false},
		{"unknown site", []string{"Sec-Fetch-Site: Same-Origin"}, false, true, true},
		{"old browser, own page", []string{"Origin: https://app.example.com"}, true, false, false},
		{"old browser, TLS ends before us", []string{"Origin: http://app.example.com"}, true, false, false},
		{"old browser, foreign page", []string{"Origin: https://evil.example"}, false, true, true},
		{"old browser, other port", []string{"Origin: https://app.example.com:8443"}, false, true, true},
		{"old browser, sandboxed frame", []string{"Origin: null"}, false, true, true},
		{"old browser, lookalike", []string{"Origin: https://app.example.com.evil.example"}, false, true, true},
		{"old browser, user info", []string{"Origin: https://app.example.com@evil.example"}, false, true, true},
		{"nonsense", []string{"Origin: https://app.example.com:x"}, false, true, true},
		{"no browser", nil, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"POST", "GET", "DELETE"} {
				if got := SameOrigin(requestWith(method, tt.headers...)); got != tt.same {
					t.Errorf("sameOrigin of a %s: %v", method, got)
				}
			}
			if got := CrossSiteUnsafe(requestWith("POST", tt.headers...)); got != tt.unsafe {
				t.Errorf("crossSiteUnsafe: %v", got)
			}
			handshake := requestWith("GET", append(tt.headers, "Connection: Upgrade", "Upgrade: websocket")...)
			if got := CrossSiteWebSocket(handshake); got != tt.socket {
				t.Errorf("crossSiteWebSocket: %v", got)
			}
		})
	}
}

func TestCrossOriginLeavesSafeRequestsAlone(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		r := requestWith(method, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
		if CrossSiteUnsafe(r) || CrossSiteWebSocket(r) {
			t.Errorf("%s is refused", method)
		}
	}
}

// "Origin: null" has an empty host, as has a request of HTTP/1.0 without Host.
func TestSameOriginWithoutHost(t *testing.T) {
	r := &http.Request{Method: "POST", Header: http.Header{"Origin": {"null"}}}
	if SameOrigin(r) {
		t.Error("accepted")
	}
}

// The directive "method" runs before us: what a page sent counts, and what it became.
func TestCrossSiteUnsafeByTheMethodAsSent(t *testing.T) {
	for _, tt := range []struct {
		sent, now, site string
		want            bool
	}{
		{"POST", "GET", "cross-site", true},
		{"GET", "POST", "cross-site", true},
		{"GET", "HEAD", "cross-site", false},
		{"POST", "GET", "same-origin", false},
	} {
		r := changed(requestWith(tt.sent, "Sec-Fetch-Site: "+tt.site), func(r *http.Request) { r.Method = tt.now })
		if got := CrossSiteUnsafe(r); got != tt.want {
			t.Errorf("%s from %s that became a %s: %t", tt.sent, tt.site, tt.now, got)
		}
	}
}
