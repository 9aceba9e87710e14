package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const openInClient = "zoom_app {\nopen_in_client on\n}"

// addFromMarketplace is a visitor who clicks "Add" at the Marketplace, and the
// answer after signing in once more, from here.
func (b *browser) addFromMarketplace(userID string) answer {
	b.w.t.Helper()
	callback, err := b.w.zoom.SignIn(b.w.t.Context(), b.w.zoom.MarketplaceURL(testClientID), userID)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return b.open(b.consent(b.open(callback), userID))
}

func TestAnInstallationEndsInTheClient(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(openInClient))
	b := w.browser()
	if to := b.addFromMarketplace("user-ada").Header.Get("Location"); !strings.HasPrefix(to, "zoomus://") {
		t.Errorf("sent to %q", to)
	}
	b.wantUser("user-ada")
	// What begins here ends here.
	other := w.browser()
	wantRedirect(t, other.open(other.consent(other.open("/page"), "user-bob")), "/page")
	if n := w.zoom.Count(zoomtest.CallDeeplink); n != 1 {
		t.Errorf("%d calls for an address", n)
	}
}

func TestAnInstallationThatCannotEndInTheClient(t *testing.T) {
	deeplink := func(address string) http.Handler {
		return zoomtest.Status(http.StatusOK, `{"deeplink":"`+address+`"}`)
	}
	for name, tt := range map[string]struct {
		options string
		answer  http.Handler
		want    string
	}{
		"at Zoom's web client":        {openInClient, deeplink("https://app.zoom.us/wc/apps"), "https://app.zoom.us/wc/apps"},
		"at Zoom for Government":      {openInClient, deeplink("https://zoomgov.com/x"), "https://zoomgov.com/x"},
		"at somebody else's":          {openInClient, deeplink("https://zoom.us.evil.example/"), "/"},
		"at a host that ends alike":   {openInClient, deeplink("https://evilzoom.us/"), "/"},
		"with a user in front":        {openInClient, deeplink("https://zoom.us@evil.example/"), "/"},
		"in plain text":               {openInClient, deeplink("http://zoom.us/"), "/"},
		"a script":                    {openInClient, deeplink("javascript:alert(1)"), "/"},
		"on this site":                {openInClient, deeplink("/zoom_pkce/logout"), "/"},
		"no address":                  {openInClient, zoomtest.Status(http.StatusOK, `{}`), "/"},
		"Zoom is down":                {openInClient, zoomtest.Status(http.StatusInternalServerError, ""), "/"},
		"the app lacks a scope":       {openInClient, zoomtest.Status(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes:[zoomapp:inmeeting]."}`), "/"},
		"nobody asked for it":         {"zoom_app", nil, "/"},
		"asked for not to be":         {"zoom_app {\nopen_in_client off\n}", nil, "/"},
		"a visitor who may not enter": {openInClient + "\nallow {\nuser_id user-bob\n}", nil, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site(tt.options))
			if tt.answer != nil {
				w.zoom.Fail(zoomtest.CallDeeplink, -1, tt.answer)
			}
			b := w.browser()
			wantRedirect(t, b.addFromMarketplace("user-ada"), tt.want)
			if calls := w.zoom.Count(zoomtest.CallDeeplink); tt.answer == nil && calls > 0 {
				t.Errorf("%d calls for an address", calls)
			}
			if a := b.fetch(http.MethodGet, "/zoom_pkce/session"); a.StatusCode == http.StatusUnauthorized {
				t.Error("not signed in")
			}
		})
	}
}
