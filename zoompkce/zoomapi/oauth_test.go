package zoomapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const goodToken = `{"access_token":"new-access","token_type":"bearer","refresh_token":"new-refresh",` +
	`"expires_in":3600,"scope":"user:read:user user:read:zak"}`

// tokenCalls are the two ways to the token endpoint.
var tokenCalls = map[Call]func(*testing.T, *Client) (*Token, error){
	CallCode: func(t *testing.T, c *Client) (*Token, error) {
		return c.Exchange(t.Context(), "https://app.example/cb", "the-code", "the-verifier")
	},
	CallRefresh: func(t *testing.T, c *Client) (*Token, error) {
		return c.Refresh(t.Context(), "old-refresh")
	},
}

func TestTokenRequests(t *testing.T) {
	code := url.Values{
		"grant_type": {"authorization_code"}, "code": {"the-code"}, "code_verifier": {"the-verifier"},
		"redirect_uri": {"https://app.example/cb"},
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"old-refresh"}}
	for call, want := range map[Call]url.Values{CallCode: code, CallRefresh: refresh} {
		for _, public := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, public %v", call, public), func(t *testing.T) {
				want := cloneValues(want)
				if public {
					want.Set("client_id", testClientID)
				}
				var calls atomic.Int32
				c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					id, secret, basic := r.BasicAuth()
					if basic == public || basic && (id != testClientID || secret != testSecret) {
						t.Errorf("basic auth %v: %q, %q", basic, id, secret)
					}
					if public && r.Header.Get("Authorization") != "" {
						t.Error("a public client sent an Authorization header")
					}
					if r.Method != http.MethodPost || r.URL.Path != "/oauth/token" || r.URL.RawQuery != "" {
						t.Errorf("%s %s", r.Method, r.URL)
					}
					if err := r.ParseForm(); err != nil || r.PostForm.Encode() != want.Encode() {
						t.Errorf("form %v (%v), want %v", r.PostForm, err, want)
					}
					if !strings.Contains(r.UserAgent(), "https://github.com/") {
						t.Errorf("user agent %q", r.UserAgent())
					}
					reply(http.StatusOK, goodToken, "Content-Type", "application/json")(w, r)
				}, func(cfg *Config) {
					if public {
						cfg.ClientSecret = ""
					}
				})
				before := time.Now()
				got, err := tokenCalls[call](t, c)
				if err != nil {
					t.Fatal(err)
				}
				if got.AccessToken != "new-access" || got.RefreshToken != "new-refresh" || got.APIURL != "" ||
					!slices.Equal(got.Scopes, []string{"user:read:user", "user:read:zak"}) {
					t.Errorf("token %+v", *got)
				}
				if got.Expiry.Before(before.Add(time.Hour)) || got.Expiry.After(time.Now().Add(time.Hour)) {
					t.Errorf("expiry %v", got.Expiry)
				}
				if calls.Load() != 1 {
					t.Errorf("%d requests", calls.Load())
				}
			})
		}
	}
}

func cloneValues(v url.Values) url.Values {
	c := url.Values{}
	for name, values := range v {
		c[name] = slices.Clone(values)
	}
	return c
}

func TestExchangeWithoutRedirectURI(t *testing.T) {
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.PostForm.Has("redirect_uri") {
			t.Errorf("form %v", r.PostForm)
		}
		reply(http.StatusOK, goodToken)(w, r)
	})
	if _, err := c.Exchange(t.Context(), "", "code", "verifier"); err != nil {
		t.Fatal(err)
	}
}

func TestClientCredentialsAreEscaped(t *testing.T) {
	// RFC 6749 section 2.3.1: form-encoded before they are joined with a colon.
	var seen []string
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		seen = append(seen, id+" "+secret)
		reply(http.StatusOK, goodToken)(w, r)
	}, func(cfg *Config) { cfg.ClientID, cfg.ClientSecret = "a:b", "c%d" })
	if _, err := c.Refresh(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a%3Ab c%25d", "a%3Ab c%25d"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestRefreshKeepsTheOldTokenIfZoomSendsNone(t *testing.T) {
	c := serveZoom(t, reply(http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`))
	got, err := c.Refresh(t.Context(), "old-refresh")
	if err != nil || got.RefreshToken != "old-refresh" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = c.Exchange(t.Context(), "", "code", "verifier")
	if err != nil || got.RefreshToken != "" {
		t.Errorf("a code gave a refresh token from nowhere: %v", err)
	}
}

func TestUnusableTokensAreNotSent(t *testing.T) {
	c := serveZoom(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("request %s", r.URL) })
	for _, bad := range []string{"", "a b", "a\r\nX: y", "a\x00", "é", strings.Repeat("a", maxTokenLength+1)} {
		if _, err := c.Refresh(t.Context(), bad); KindOf(err) != KindInvalidGrant {
			t.Errorf("refresh: %v", err)
		}
		if err := c.Revoke(t.Context(), bad); KindOf(err) != KindInvalidGrant {
			t.Errorf("revoke: %v", err)
		}
		if _, err := c.Me(t.Context(), Token{AccessToken: bad}); KindOf(err) != KindUnauthorized {
			t.Errorf("me: %v", err)
		}
	}
}

func TestTokenAnswers(t *testing.T) {
	const long = "aaaaaaaaaaaaaaaa"
	for name, test := range map[string]struct {
		status int
		body   string
		kind   Kind // KindUnknown: success
	}{
		"good":                        {200, goodToken, KindUnknown},
		"bearer in capitals":          {200, `{"access_token":"a","token_type":"BEARER"}`, KindUnknown},
		"numbers as strings":          {200, `{"access_token":"a","token_type":"bearer","expires_in":"3600"}`, KindUnknown},
		"scope of a wrong type":       {200, `{"access_token":"a","token_type":"bearer","scope":["x"]}`, KindUnknown},
		"longest access token":        {200, `{"access_token":"` + strings.Repeat(long, 1024) + `","token_type":"bearer"}`, KindUnknown},
		"one byte longer":             {200, `{"access_token":"a` + strings.Repeat(long, 1024) + `","token_type":"bearer"}`, KindNonsense},
		"access token with CR LF":     {200, `{"access_token":"a\r\nX-Evil: 1","token_type":"bearer"}`, KindNonsense},
		"access token with space":     {200, `{"access_token":"a b","token_type":"bearer"}`, KindNonsense},
		"access token not ASCII":      {200, `{"access_token":"é","token_type":"bearer"}`, KindNonsense},
		"empty access token":          {200, `{"access_token":"","token_type":"bearer"}`, KindNonsense},
		"access token is a number":    {200, `{"access_token":1,"token_type":"bearer"}`, KindNonsense},
		"refresh token with control":  {200, `{"access_token":"a","refresh_token":"\u0007","token_type":"bearer"}`, KindNonsense},
		"token type mac":              {200, `{"access_token":"a","token_type":"mac"}`, KindNonsense},
		"no token type":               {200, `{"access_token":"a"}`, KindNonsense},
		"empty body":                  {200, ``, KindNonsense},
		"null":                        {200, `null`, KindNonsense},
		"array":                       {200, `[]`, KindNonsense},
		"cut off":                     {200, goodToken[:40], KindNonsense},
		"two objects":                 {200, goodToken + goodToken, KindNonsense},
		"HTML":                        {200, `<html>captive portal</html>`, KindNonsense},
		"form like some others":       {200, `access_token=a&token_type=bearer`, KindNonsense},
		"redirect":                    {302, goodToken, KindNonsense},
		"too large":                   {200, `{"x":"` + strings.Repeat("a", maxAnswer) + `"}`, KindNonsense},
		"code refused":                {400, `{"reason":"Invalid authorization code the-code","error":"invalid_grant"}`, KindInvalidGrant},
		"refresh token used":          {400, `{"reason":"Invalid Token!","error":"invalid_grant"}`, KindInvalidGrant},
		"invalid grant without more":  {400, `{"error":"invalid_grant"}`, KindInvalidGrant},
		"error with status 200":       {200, `{"error":"invalid_grant"}`, KindInvalidGrant},
		"invalid client":              {400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, KindInvalidClient},
		"invalid client with 401":     {401, `{"error":"invalid_client"}`, KindInvalidClient},
		"unauthorized client":         {400, `{"error":"unauthorized_client"}`, KindInvalidClient},
		"redirect by code":            {400, `{"code":4709,"message":"Redirect URI mismatch"}`, KindRedirectMismatch},
		"redirect by text":            {400, `{"reason":"Invalid redirect: https://a","error":"invalid_request"}`, KindRedirectMismatch},
		"redirect, authorize shape":   {400, `{"status":false,"errorCode":4700,"errorMessage":"Invalid redirect: x","result":null}`, KindRedirectMismatch},
		"number beats word":           {400, `{"errorCode":"4709","error":"invalid_grant"}`, KindRedirectMismatch},
		"scopes changed":              {400, `{"code":4711,"message":"x"}`, KindInvalidGrant},
		"scopes changed, other shape": {400, `{"reason":"x","error":"invalid_request","errorCode":4711}`, KindInvalidGrant},
		"code expired":                {400, `{"code":4733}`, KindInvalidGrant},
		"code invalid":                {400, `{"code":4734}`, KindInvalidGrant},
		"owner gone":                  {400, `{"code":4735}`, KindInvalidGrant},
		"refresh token unknown":       {400, `{"code":4737}`, KindInvalidGrant},
		"disabled by admin":           {400, `{"code":4738}`, KindInvalidGrant},
		"out of tolerance":            {400, `{"code":4740}`, KindInvalidGrant},
		"replaced":                    {400, `{"code":4741}`, KindInvalidGrant},
		"wrong secret by number":      {400, `{"code":4702}`, KindInvalidClient},
		"app disabled":                {400, `{"code":4717}`, KindInvalidClient},
		"code could not be made":      {400, `{"code":4732}`, KindUnavailable},
		"invented word":               {400, `{"error":"secret-in-a-word"}`, KindNonsense},
		"error is an object":          {400, `{"error":{"invalid_grant":1}}`, KindNonsense},
		"forbidden by a proxy":        {403, `<html>no</html>`, KindNonsense},
		"server error":                {500, `Save Access token into Database`, KindUnavailable},
		"never final with 5xx":        {503, `{"error":"invalid_grant"}`, KindUnavailable},
		"rate limited":                {429, `{"code":429,"message":"slow"}`, KindRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				reply(test.status, test.body, "Content-Type", "application/json", "Location", "/oauth/token")(w, r)
			})
			for call, do := range tokenCalls {
				got, err := do(t, c)
				if test.kind == KindUnknown {
					if err != nil || got == nil {
						t.Errorf("%s: %v", call, err)
					}
					continue
				}
				if KindOf(err) != test.kind || got != nil {
					t.Errorf("%s: got %v, want kind %v", call, err, test.kind)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("%d requests for two calls: something was repeated", calls.Load())
			}
		})
	}
}

// A refusal in other words ends a grant only where it is Zoom's known word for a
// spent refresh token.
func TestRefusalsInOtherWords(t *testing.T) {
	for name, test := range map[string]struct {
		call   Call
		status int
		body   string
		kind   Kind
	}{
		"spent":                    {CallRefresh, 400, `{"reason":"Invalid Token!","error":"invalid_request"}`, KindInvalidGrant},
		"spent, 401":               {CallRefresh, 401, `{"reason":"Invalid Token!","error":"invalid_request"}`, KindInvalidGrant},
		"spent, the reason alone":  {CallRefresh, 400, `{"reason":"Invalid Token!"}`, KindInvalidGrant},
		"spent, 401 and alone":     {CallRefresh, 401, `{"reason":"Invalid token"}`, KindInvalidGrant},
		"spent, 403":               {CallRefresh, 403, `{"reason":"Invalid Token!"}`, KindNonsense},
		"spent, 200":               {CallRefresh, 200, `{"reason":"Invalid Token!","error":"invalid_request"}`, KindNonsense},
		"spent, 500":               {CallRefresh, 500, `{"reason":"Invalid Token!"}`, KindUnavailable},
		"another word":             {CallRefresh, 400, `{"reason":"Invalid Token!","error":"other"}`, KindNonsense},
		"the client":               {CallRefresh, 400, `{"reason":"Invalid Token!","error":"invalid_client"}`, KindInvalidClient},
		"no reason":                {CallRefresh, 400, `{"error":"invalid_request"}`, KindNonsense},
		"another reason":           {CallRefresh, 400, `{"reason":"Bad request: Invalid Token!","error":"invalid_request"}`, KindNonsense},
		"a proxy's message":        {CallRefresh, 401, `{"message":"Invalid token"}`, KindNonsense},
		"a code's words":           {CallRefresh, 400, `{"reason":"Invalid authorization code","error":"invalid_request"}`, KindNonsense},
		"a code, 2020":             {CallCode, 400, `{"reason":"Invalid authorization code redirect","error":"invalid_request"}`, KindInvalidGrant},
		"a refresh token's words":  {CallCode, 400, `{"reason":"Invalid Token!","error":"invalid_request"}`, KindNonsense},
		"empty":                    {CallRefresh, 400, `{}`, KindNonsense},
		"a reason of another type": {CallRefresh, 400, `{"reason":["Invalid Token!"]}`, KindNonsense},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tokenCalls[test.call](t, serveZoom(t, reply(test.status, test.body))); KindOf(err) != test.kind {
				t.Errorf("got %v, want %v", err, test.kind)
			}
		})
	}
}

func TestIsOAuthError(t *testing.T) {
	for _, word := range []string{
		"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
		"server_error", "temporarily_unavailable", "invalid_client", "invalid_grant", "unsupported_grant_type",
	} {
		if !IsOAuthError(word) {
			t.Errorf("%s is one", word)
		}
	}
	for _, word := range []string{"", "Access_Denied", "access_denied ", "slow_down", "access_denied\n", "login_required"} {
		if IsOAuthError(word) {
			t.Errorf("%q is none", word)
		}
	}
}

func TestExpiresIn(t *testing.T) {
	for raw, want := range map[string]time.Duration{
		"": time.Hour, "null": time.Hour, "0": time.Hour, "-5": time.Hour, `"soon"`: time.Hour, `""`: time.Hour,
		"true": time.Hour, "{}": time.Hour, `"NaN"`: time.Hour, `"-Inf"`: time.Hour,
		"1": time.Second, "3599": 3599 * time.Second, `"3599"`: 3599 * time.Second, "3599.5": 3599*time.Second + 500*time.Millisecond,
		"86401": 24 * time.Hour, "1e300": 24 * time.Hour, "1e999": 24 * time.Hour, "99999999999999999999": 24 * time.Hour,
		"-1e999": time.Hour,
	} {
		if got := lifetime(json.RawMessage(raw)); got != want {
			t.Errorf("expires_in %s gave %v, want %v", raw, got, want)
		}
	}
}

func TestScopesAreBounded(t *testing.T) {
	if got := splitScopes("a:b  c:d\n<script> " + strings.Repeat("x", 200)); !slices.Equal(got, []string{"a:b", "c:d"}) {
		t.Errorf("got %q", got)
	}
	if got := splitScopes(strings.Repeat("a:b ", maxScopes)); got != nil {
		t.Errorf("kept %d scopes of an oversized list", len(got))
	}
}

func TestRevoke(t *testing.T) {
	for _, public := range []bool{false, true} {
		t.Run(fmt.Sprintf("public %v", public), func(t *testing.T) {
			c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
				want := url.Values{"token": {"the-access"}}
				id, secret, basic := r.BasicAuth()
				if public {
					want.Set("client_id", testClientID)
				} else if id != testClientID || secret != testSecret {
					t.Errorf("basic auth %q, %q", id, secret)
				}
				if basic == public {
					t.Errorf("basic auth %v", basic)
				}
				if r.ParseForm() != nil || r.PostForm.Encode() != want.Encode() || r.URL.Path != "/oauth/revoke" {
					t.Errorf("%s: form %v, want %v", r.URL, r.PostForm, want)
				}
				reply(http.StatusOK, `{"status":"success"}`)(w, r)
			}, func(cfg *Config) {
				if public {
					cfg.ClientSecret = ""
				}
			})
			if err := c.Revoke(t.Context(), "the-access"); err != nil {
				t.Fatal(err)
			}
		})
	}
	for name, test := range map[string]struct {
		status int
		body   string
		kind   Kind
	}{
		"empty success":  {200, "", KindUnknown},
		"refused":        {400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, KindInvalidClient},
		"error with 200": {200, `{"error":"invalid_client"}`, KindInvalidClient},
		"HTML":           {200, `<html>`, KindNonsense},
		"down":           {502, `<html>`, KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			if err := serveZoom(t, reply(test.status, test.body)).Revoke(t.Context(), "a"); KindOf(err) != test.kind {
				t.Errorf("got %v, want %v", err, test.kind)
			}
		})
	}
}
