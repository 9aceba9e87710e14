package zoomapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRegionalAPI(t *testing.T) {
	for name, test := range map[string]struct{ oauthURL, apiURL, offered, want string }{
		"region":                 {"", "", "https://api-eu.zoom.us", "https://api-eu.zoom.us"},
		"region with a slash":    {"", "", "https://API-us.zoom.us/", "https://api-us.zoom.us"},
		"zoom itself":            {"", "", "https://zoom.us", "https://zoom.us"},
		"government":             {"https://zoomgov.com", "", "https://api.zoomgov.com", "https://api.zoomgov.com"},
		"commercial to gov":      {"", "", "https://api.zoomgov.com", ""},
		"gov to commercial":      {"https://zoomgov.com", "", "https://api-us.zoom.us", ""},
		"http":                   {"", "", "http://api-us.zoom.us", ""},
		"other port":             {"", "", "https://api-us.zoom.us:8443", ""},
		"path":                   {"", "", "https://api-us.zoom.us/redirect", ""},
		"query":                  {"", "", "https://api-us.zoom.us?x", ""},
		"user":                   {"", "", "https://api-us.zoom.us@evil.example", ""},
		"user of zoom":           {"", "", "https://evil@api-us.zoom.us", ""},
		"other host":             {"", "", "https://evil.example", ""},
		"zoom as a prefix":       {"", "", "https://api.zoom.us.evil.example", ""},
		"zoom as a suffix":       {"", "", "https://evilzoom.us", ""},
		"backslash":              {"", "", `https://evil.example\.zoom.us`, ""},
		"encoded slash":          {"", "", "https://evil.example%2f.zoom.us", ""},
		"schemeless":             {"", "", "//api-us.zoom.us", ""},
		"script":                 {"", "", "javascript:alert(1)", ""},
		"loopback for real Zoom": {"", "", "http://127.0.0.1:80", ""},
		"empty":                  {"", "", "", ""},
		"256 bytes":              {"", "", "https://api-eu.zoom.us" + strings.Repeat("/", 234), "https://api-eu.zoom.us"},
		"257 bytes":              {"", "", "https://api-eu.zoom.us" + strings.Repeat("/", 235), ""},
		"simulator":              {"http://127.0.0.1:99", "", "http://127.0.0.1:99", "http://127.0.0.1:99"},
		"other port of loopback": {"http://127.0.0.1:99", "", "http://127.0.0.1:98", ""},
		"Zoom for the simulator": {"http://127.0.0.1:99", "", "https://api-us.zoom.us", ""},
		"gateway":                {"", "https://gw.example", "https://gw.example", "https://gw.example"},
		"gateway without TLS":    {"", "https://gw.example", "http://gw.example", ""},
		"around the gateway":     {"", "https://gw.example", "https://api-us.zoom.us", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewClient(Config{ClientID: testClientID, OAuthURL: test.oauthURL, APIURL: test.apiURL})
			if err != nil {
				t.Fatal(err)
			}
			body := mustJSON(map[string]string{"access_token": "a", "token_type": "bearer", "api_url": test.offered})
			tok, err := c.decodeToken(&answer{status: 200, body: []byte(body), at: time.Now()})
			if err != nil || tok.APIURL != test.want {
				t.Fatalf("the token carries %q, want %q (%v)", tok.APIURL, test.want, err)
			}
			// The same again for a token from a store that somebody wrote to.
			want := test.want
			if want == "" {
				want = c.api.String()
			}
			if got := c.apiFor(Token{APIURL: test.offered}).String(); got != want {
				t.Errorf("the token is sent to %s, want %s", got, want)
			}
		})
	}
}

func TestAPIPathIsKept(t *testing.T) {
	var path string
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		reply(200, `{"token":"z"}`)(w, r)
	}, func(cfg *Config) { cfg.APIURL = cfg.OAuthURL + "/gateway/" })
	if _, err := c.ZAK(t.Context(), Token{AccessToken: "a"}, 0); err != nil || path != "/gateway/v2/users/me/zak" {
		t.Errorf("called %s: %v", path, err)
	}
	if c.api.Path != "/gateway" {
		t.Errorf("a call changed the configured URL to %s", c.api)
	}
}

func TestMeetingNumber(t *testing.T) {
	for in, want := range map[string]string{
		"123456789": "123456789", "123 4567 8901": "12345678901", "123-456-789": "123456789", " 123456789012 ": "123456789012",
		"12345678": "", "1234567890123": "", "": "", "12345678a": "", "１２３４５６７８９": "", "123456789\n": "", "+123456789": "",
		"123456789&type=zak": "", "../../../9999": "",
	} {
		if got, ok := MeetingNumber(in); got != want || ok != (want != "") {
			t.Errorf("%q gave %q, %v", in, got, ok)
		}
	}
}

// What a base URL has encoded stays so, in every call.
func TestEncodedBaseURL(t *testing.T) {
	var got []string
	c := serveZoom(t, func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.RequestURI) }, func(cfg *Config) { cfg.OAuthURL += "/a%2Fb/" })
	_, _ = c.Me(t.Context(), Token{AccessToken: "a"})
	_, _ = c.Refresh(t.Context(), "r")
	_ = c.Revoke(t.Context(), "a")
	if want := []string{"/a%2Fb/v2/users/me", "/a%2Fb/oauth/token", "/a%2Fb/oauth/revoke"}; !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
}

// Only 2xx is success.
func TestStatusOfSuccess(t *testing.T) {
	for status, ok := range map[int]bool{200: true, 204: true, 299: true, 300: false, 400: false, 304: false} {
		if got := (&answer{status: status}).ok(); got != ok {
			t.Errorf("%d: %t", status, got)
		}
	}
}
