package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What concerns one Zoom app is logged as by its handlers.
func TestStartLogsAsTheDirective(t *testing.T) {
	w := newWorld(t)
	_, port, _ := strings.Cut(w.addr, ":")
	w.load(w.caddyfileAt("http://app.example.com:"+port, "zoom_pkce {\n"+
		fmt.Sprintf("client_id %s\nclient_secret %s\noauth_url %s\n", testClientID, testClientSecret, w.zoom.URL)+
		"redirect_uri https://app.example.com/zoom_pkce/callback\ncookie {\ndomain example.com\n}\n}"))
	for _, message := range []string{
		startMessage,
		"cookie domain makes every host below it part of the sign-in: each of them can read and replace the cookies",
	} {
		if n := len(w.logLines(message)); n != 1 {
			t.Errorf("%q is logged %d times as http.handlers.zoom_pkce, want once", message, n)
		}
	}
}
