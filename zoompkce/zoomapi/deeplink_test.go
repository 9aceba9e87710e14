package zoomapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestDeeplink(t *testing.T) {
	const good = "zoomus://zoom.us/zoomapp?action=x&client_id=y"
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Action string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !json.Valid([]byte(body.Action)) {
			t.Errorf("action %q, %v", body.Action, err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/v2/zoomapp/deeplink" || r.URL.RawQuery != "" ||
			r.Header.Get("Authorization") != "Bearer the-access" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		reply(http.StatusOK, mustJSON(map[string]string{"deeplink": good}))(w, r)
	})
	if got, err := c.Deeplink(t.Context(), Token{AccessToken: "the-access"}); err != nil || got != good {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDeeplinkLeadsToZoom(t *testing.T) {
	if isZoomAddress("zoomus://%zz") {
		t.Error("what is no URL is taken for Zoom's")
	}
	for address, want := range map[string]bool{
		"zoomus://zoom.us/zoomapp?x=1":         true,
		"ZoomUS://zoom.us/zoomapp":             true,
		"zoomus:open":                          true,
		"https://zoom.us/launch?x=%20":         true,
		"https://us06web.zoom.us/launch":       true,
		"https://ZOOM.US/launch":               true,
		"https://www.zoomgov.com/launch":       true,
		"http://zoom.us/launch":                false,
		"https://zoom.us:8443/launch":          false,
		"https://zoom.us@evil.example/":        false,
		"https://evil@zoom.us/":                false,
		"https://evil.example/zoom.us":         false,
		"https://evilzoom.us/":                 false,
		"https://zoom.us.evil.example/":        false,
		"https://evil.example\\@zoom.us/":      false,
		"https://evil.example\\.zoom.us/":      false,
		"//zoom.us/":                           false,
		"/":                                    false,
		"":                                     false,
		"javascript:alert(1)":                  false,
		"zoommtg://zoom.us/join":               false,
		"zoomus://zoom.us/\r\nSet-Cookie: a=b": false,
		"zoomus://zoom.us/ a":                  false,
		"zoomus://zoom.us/é":                   false,
		"zoomus:" + strings.Repeat("a", 5000):  false,
	} {
		c := serveZoom(t, reply(http.StatusOK, mustJSON(map[string]string{"deeplink": address})))
		got, err := c.Deeplink(t.Context(), Token{AccessToken: "a"})
		if want != (err == nil) || want && got != address || !want && (got != "" || KindOf(err) != KindNonsense) {
			t.Errorf("%q: got %q, %v", address, got, err)
		}
	}
	for body, kind := range map[string]Kind{
		`{"code":124,"message":"Access token is expired."}`: KindUnauthorized,
		`{"deeplink":["zoomus://zoom.us"]}`:                 KindNonsense,
		`{}`:                                                KindNonsense,
		`<html>`:                                            KindNonsense,
		`{"code":4711,"message":"does not contain scopes:[a]"}`: KindMissingScope,
	} {
		if _, err := serveZoom(t, reply(http.StatusOK, body)).Deeplink(t.Context(), Token{AccessToken: "a"}); KindOf(err) != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := serveZoom(t, reply(http.StatusNotFound, `{}`)).Deeplink(t.Context(), Token{AccessToken: "a"}); err == nil {
		t.Error("404 is no address")
	}
	if _, err := serveZoom(t, reply(http.StatusOK, `{}`)).Deeplink(t.Context(), Token{}); KindOf(err) != KindUnauthorized {
		t.Errorf("without a token: %v", err)
	}
}
