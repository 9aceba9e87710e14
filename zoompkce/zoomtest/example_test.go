package zoomtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A whole sign-in, the client's part written out.
func Example() {
	zoom := zoomtest.NewServer()
	defer zoom.Close()
	app := zoom.AddApp(zoomtest.App{
		ClientID:     "my-app",
		ClientSecret: "my-secret",
		RedirectURIs: []string{"https://app.example/callback"},
	})
	zoom.AddUser(zoomtest.User{ID: "ada", FirstName: "Ada"})

	// The app sends the visitor to Zoom, who allows it in.
	back, err := zoom.SignIn(context.Background(), zoom.URL+"/oauth/authorize?"+url.Values{
		"response_type":         {"code"},
		"client_id":             {app.ClientID},
		"redirect_uri":          {"https://app.example/callback"},
		"state":                 {"xyz"},
		"code_challenge":        {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
		"code_challenge_method": {"S256"},
	}.Encode(), "ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	callback, _ := url.Parse(back)
	fmt.Println("state:", callback.Query().Get("state"))

	// The app exchanges the code.
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {callback.Query().Get("code")},
		"redirect_uri":  {"https://app.example/callback"},
		"code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	}
	req, _ := http.NewRequest(http.MethodPost, zoom.URL+"/oauth/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(app.ClientID, app.ClientSecret)
	resp, err := zoom.Client().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
		fmt.Println(err)
		return
	}
	_, user, ok := zoom.ValidateAccessToken(token.AccessToken)
	fmt.Println("signed in:", user, ok, token.ExpiresIn)
	fmt.Println("exchanges:", zoom.Count(zoomtest.CallCode))
	// Output:
	// state: xyz
	// signed in: ada true 3599
	// exchanges: 1
}
