package zoomtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// SignIn does what a person does: it opens an authorization URL, whatever its
// host, chooses to be userID on the consent page and allows the app. It returns
// where Zoom sends the person then, without going there. If Zoom shows its own
// error page instead, the error tells what it says, like "(4,700)".
func (s *Server) SignIn(ctx context.Context, authorizeURL, userID string) (callbackURL string, err error) {
	return s.visit(ctx, authorizeURL, url.Values{"decision": {"allow"}, "user": {userID}})
}

// MarketplaceURL is the address behind the "Add" button that the App
// Marketplace shows for an app: an authorization that the app did not begin,
// without state and PKCE, for the first of its redirect URIs. Opened with
// SignIn, it ends in a callback without state. It is empty if there is no such
// app, and of no use to a public one.
func (s *Server) MarketplaceURL(clientID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[clientID]
	if app == nil || len(app.RedirectURIs) == 0 {
		return ""
	}
	return s.URL + "/oauth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {app.RedirectURIs[0]},
	}.Encode()
}

// Decline is SignIn by somebody who clicks Decline.
func (s *Server) Decline(ctx context.Context, authorizeURL string) (callbackURL string, err error) {
	return s.visit(ctx, authorizeURL, url.Values{"decision": {"decline"}})
}

func (s *Server) visit(ctx context.Context, authorizeURL string, form url.Values) (string, error) {
	page, err := s.browse(ctx, http.MethodGet, authorizeURL, nil, http.StatusOK)
	if err != nil {
		return "", fmt.Errorf("opening the authorization URL: %w", err)
	}
	form.Set("request", page.Request.URL.RawQuery)
	consent := page.Request.URL.ResolveReference(&url.URL{Path: "consent"})
	sent, err := s.browse(ctx, http.MethodPost, consent.String(), form, http.StatusFound)
	if err != nil {
		return "", fmt.Errorf("answering the consent page: %w", err)
	}
	return sent.Header.Get("Location"), nil
}

// browse makes a request in process and expects a status. The body of the answer was
// read.
func (s *Server) browse(ctx context.Context, method, address string, form url.Values, status int) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("zoom answered %s: %s", resp.Status, readRefusal(body))
	}
	return resp, nil
}

// readRefusal returns what an error page, or the JSON in its place, tells.
func readRefusal(body []byte) string {
	var no struct {
		ErrorCode    int
		ErrorMessage string
	}
	if json.Unmarshal(body, &no) == nil && no.ErrorCode != 0 {
		return (&refusal{no.ErrorCode, no.ErrorMessage}).String()
	}
	_, text, _ := strings.Cut(string(body), `<p id="error">`)
	text, _, _ = strings.Cut(text, "</p>")
	return cmp.Or(html.UnescapeString(text), "no error page")
}
