package doctor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// An operator is sent to where the app is: that of Zoom for Government stands
// in no other marketplace.
func TestMarketplace(t *testing.T) {
	key, err := zoomapi.GenerateClientKey()
	if err != nil {
		t.Fatal(err)
	}
	for oauthURL, want := range map[string]string{
		"https://zoom.us":          "marketplace.zoom.us",
		"https://zoomgov.com":      "marketplace.zoomgov.com",
		"https://www.zoomgov.com":  "marketplace.zoomgov.com",
		"https://notzoomgov.com":   "marketplace.zoom.us",
		"http://127.0.0.1:8099":    "marketplace.zoom.us",
		"https://zoomgov.com.evil": "marketplace.zoom.us",
	} {
		const uri = "https://app.example.com/callback"
		s := &Site{Zoom: zoomapi.Config{ClientSecret: "x", OAuthURL: oauthURL}, RedirectURIs: []string{uri}}
		withKey := &Site{Zoom: zoomapi.Config{ClientKey: key, OAuthURL: oauthURL}}
		wrong := &zoomapi.Error{Kind: zoomapi.KindInvalidClient}
		findings := []finding{
			credentialFinding(s, wrong), credentialFinding(withKey, wrong),
			redirectURIFinding([]*Site{s}, zoomProbe{}), redirectURIFinding([]*Site{s}, zoomProbe{page: map[string]pageAnswer{uri: pageRefusesRedirect}}),
			scopeFinding([]*Site{s}, zoomProbe{}), scopeFinding([]*Site{s}, zoomProbe{page: map[string]pageAnswer{uri: pageRefusesScopes}}),
		}
		for _, f := range append(findings, clientKeyFindings(withKey)...) {
			if text := fmt.Sprint(f); !strings.Contains(text+" ", " "+want) || strings.Count(text, "marketplace.") != 1 {
				t.Errorf("%s: %s", oauthURL, text)
			}
		}
	}
}
