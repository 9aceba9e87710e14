package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const fleetSecret = "nothing-but-a-benchmark-of-a-fleet"

// fleetZoom is a Zoom that remembers nothing and costs little: the code is the number of
// a user, and the tokens, as long as Zoom's, begin with it.
type fleetZoom struct{}

// RoundTrip implements [http.RoundTripper].
func (fleetZoom) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	switch r.URL.Path {
	case "/oauth/token":
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		token := fmt.Sprintf("%-660s", r.PostFormValue("code")+"t")
		token = strings.ReplaceAll(token, " ", "x")
		body = fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"token_type":"bearer","expires_in":3600,"scope":"user:read:user user:read:zak"}`, token, token)
	case "/v2/users/me":
		n, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "t")
		body = fmt.Sprintf(`{"id":"KdYKjnimT4KPd8%08s","account_id":"EabCDEFghiLHMA","email":"ada%s@example.com","verified":1,"display_name":"Ada Lovelace"}`, n, n)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// newFleetManager signs in as the Caddys of the fleet do.
func newFleetManager(zoomURL string, store zoompkce.Store) (*zoompkce.Manager, error) {
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: clientID, ClientSecret: clientSecret, OAuthURL: zoomURL, HTTPClient: &http.Client{Transport: fleetZoom{}},
	})
	if err != nil {
		return nil, err
	}
	return zoompkce.NewManager(zoompkce.ManagerConfig{
		Client: client, Store: store, Secrets: [][]byte{[]byte(fleetSecret)}, Cookies: zoompkce.CookieConfig{Insecure: true},
	})
}

func appID(zoomURL string) string { return zoomapi.AppID(zoomURL, clientID) }
