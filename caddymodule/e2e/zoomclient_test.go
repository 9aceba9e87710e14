package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// zoomUserAgent is that of Zoom's client on all systems
// (developers.zoom.us/docs/zoom-apps/architecture).
const zoomUserAgent = "Mozilla/5.0 ZoomWebKit/537.36 (KHTML, like Gecko) ZoomApps/1.0"

// insideZoom are the headers of a page load there.
var insideZoom = []string{"User-Agent", zoomUserAgent}

// sdkURL is the script by which a page speaks to the client.
const sdkURL = "https://appssdk.zoom.us/sdk.min.js"

// contextHeader carries who has the app open.
const contextHeader = "X-Zoom-App-Context"

// challenge is what begins a sign-in inside the client.
type challenge struct {
	CodeChallenge string `json:"codeChallenge"`
	State         string `json:"state"`
}

// authorize begins an in-client login.
func (b *browser) authorize() (c challenge) {
	b.w.t.Helper()
	a := b.post("app/authorize", "{}")
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.StatusCode != http.StatusOK || c.CodeChallenge == "" || c.State == "" {
		b.w.t.Fatalf("authorize: %d %s", a.StatusCode, a.body)
	}
	return c
}

// allowInside is what the Zoom client does when authorize is called on a page.
func (b *browser) allowInside(c challenge, userID, page string) zoomtest.OnAuthorized {
	b.w.t.Helper()
	event, err := b.w.zoom.InClientAuthorize(testClientID, userID, c.CodeChallenge, c.State, page)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return event
}

func eventBody(e zoomtest.OnAuthorized) string {
	body, err := json.Marshal(map[string]string{"code": e.Code, "state": e.State, "redirectUri": e.RedirectURI})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// signInInside goes through the in-client flow.
func (b *browser) signInInside(userID string) answer {
	b.w.t.Helper()
	event := b.allowInside(b.authorize(), userID, b.w.url+"/zoom_pkce/callback")
	return b.post("app/onauthorized", eventBody(event))
}

func (w *world) isSignedIn(b *browser) bool {
	w.t.Helper()
	switch a := b.fetch(http.MethodGet, "/zoom_pkce/session"); a.StatusCode {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return false
	default:
		w.t.Fatalf("session: %d %s", a.StatusCode, a.body)
		return false
	}
}

// isInClientPage checks for the page that signs in inside the client.
func (a answer) isInClientPage(t *testing.T) bool {
	t.Helper()
	if !strings.Contains(a.body, `<script src="`+sdkURL+`">`) {
		return false
	}
	for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"} {
		if a.Header.Get(name) == "" {
			t.Errorf("the page lacks %s", name)
		}
	}
	if a.StatusCode != http.StatusOK || a.Header.Get("Location") != "" {
		t.Errorf("the page has status %d, Location %q", a.StatusCode, a.Header.Get("Location"))
	}
	return true
}
