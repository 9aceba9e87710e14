package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// program is a client of a site, and has no secret.
type program struct {
	site   string
	config oauth2.Config
	revoke string // the endpoint that takes tokens back
	prefix string // of the endpoints of zoom_pkce
}

// metadata is what a program needs of what a site says of itself (RFC 8414).
type metadata struct {
	Issuer     string `json:"issuer"`
	Authorize  string `json:"authorization_endpoint"`
	Token      string `json:"token_endpoint"`
	Revocation string `json:"revocation_endpoint"`
}

var httpClient = &http.Client{Timeout: 30 * time.Second}

// discover asks a site for its endpoints. An app may as well have them written
// down.
func discover(ctx context.Context, site, client string) (*program, error) {
	var found metadata
	if err := call(ctx, httpClient, http.MethodGet, site+"/.well-known/oauth-authorization-server", "", &found); err != nil {
		return nil, fmt.Errorf("looking for the endpoints of %s, whose zoom_pkce needs programs: %w", site, err)
	}
	if found.Issuer != site { // RFC 8414, section 3.3
		return nil, fmt.Errorf("%s calls itself %q: use that name", site, found.Issuer)
	}
	return &program{
		site: site,
		config: oauth2.Config{
			ClientID: client,
			Endpoint: oauth2.Endpoint{AuthURL: found.Authorize, TokenURL: found.Token, AuthStyle: oauth2.AuthStyleInParams},
		},
		revoke: found.Revocation,
		prefix: strings.TrimSuffix(found.Authorize, "/oauth/authorize"),
	}, nil
}

// client sends the token with each request, and gets the next one in time.
func (p *program) client(ctx context.Context, token *oauth2.Token) *http.Client {
	return p.config.Client(context.WithValue(ctx, oauth2.HTTPClient, httpClient), token)
}

// signOut gives the tokens back (RFC 7009): the site takes the program from the
// list of those that its person has allowed.
func (p *program) signOut(ctx context.Context, token *oauth2.Token) error {
	form := url.Values{"token": {token.RefreshToken}, "client_id": {p.config.ClientID}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = do(httpClient, r)
	return err
}

// call reads the JSON that an address answers to a body of JSON, or to none.
func call(ctx context.Context, client *http.Client, method, address, body string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	text, err := do(client, r)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// do sends a request and returns the body of its answer, which is a good one.
func do(client *http.Client, r *http.Request) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
