package zoomapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

const (
	defaultOAuthURL = "https://zoom.us"
	defaultTimeout  = 10 * time.Second
	redacted        = "[redacted]"
)

// Config describes one Zoom OAuth app and how to reach Zoom for it.
type Config struct {
	// ClientID is the app's client id. Required.
	ClientID string

	// ClientSecret is the app's client secret. Without one, or a ClientKey, the
	// app is a public client: Zoom gives such an app a client id of its own, and a
	// call to the token endpoint carries no Authorization header
	// (developers.zoom.us/blog/public-pkce). Default: none.
	ClientSecret string

	// ClientKey is the app's own private key in PEM, if the app has one at Zoom in
	// the place of a client secret: RSA of 2048 bits or more, or P-256. Then token
	// calls are signed with it and carry no ClientSecret. Default: none.
	ClientKey string

	// ClientKeyID is the kid that Zoom knows the key by. Default: none is sent.
	ClientKeyID string

	// OAuthURL is the base of Zoom's OAuth endpoints, https://zoomgov.com for
	// Zoom for Government. Default: https://zoom.us.
	OAuthURL string

	// APIURL is the base of Zoom's REST API. Default: "api." and the host of
	// OAuthURL; OAuthURL itself where that is a loopback or IP address, which
	// cannot have a name below it.
	APIURL string

	// AuthorizeURL is the page that asks for the user's consent. Apps in beta
	// are given a different one by Zoom. A query of it is kept (RFC 6749 section
	// 3.1). Default: OAuthURL and "/oauth/authorize".
	AuthorizeURL string

	// Scopes are asked for at the authorization page. Only apps with granular
	// scopes need any. Default: none, which means all scopes of the app.
	Scopes []string

	// Timeout bounds one call to Zoom, from the first byte sent to the last
	// byte read. Default: 10s.
	Timeout time.Duration

	// HTTPClient carries the calls; its redirect policy and cookie jar are not
	// used. Default: NewHTTPClient.
	HTTPClient *http.Client

	// Trace is called before each call to Zoom and may return a context for
	// it; the function it returns is called afterwards, with the HTTP status
	// of the answer (0 without one) and the error of the call, nil on success.
	// It is meant for metrics and spans. Default: none.
	Trace func(ctx context.Context, call Call) (context.Context, func(status int, err error))
}

// String hides the client secret and key from fmt and from loggers.
func (c Config) String() string {
	return fmt.Sprintf("zoompkce.Config{ClientID: %q, OAuthURL: %q}", c.ClientID, safeURL(c.OAuthURL))
}

// GoString hides the client secret and key from %#v.
func (c Config) GoString() string { return c.String() }

// Format hides the client secret and key from every verb of fmt.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue hides the client secret and key from log/slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Client calls Zoom on behalf of one OAuth app. It is safe for concurrent use
// and keeps no state between calls; every call is one attempt.
type Client struct {
	oauth   oauth2.Config
	key     *clientKey // nil: the app has none of its own
	api     *url.URL
	revoke  *url.URL
	trusted []*url.URL
	appID   string

	credentials CredentialsID

	timeout time.Duration
	http    *http.Client
	ownHTTP bool
	trace   func(ctx context.Context, call Call) (context.Context, func(status int, err error))
}

// NewClient checks cfg and returns a client for it. Errors name the field that
// is wrong and never repeat its value, which may carry a secret.
func NewClient(cfg Config) (*Client, error) {
	if !visibleASCII(cfg.ClientID, 256) {
		return nil, errors.New("client_id: must be the client id of a Zoom app, without spaces")
	}
	if cfg.ClientSecret != "" && !visibleASCII(cfg.ClientSecret, 1024) {
		return nil, errors.New("client_secret: must not contain spaces, line breaks or non-ASCII characters")
	}
	key, err := cfg.clientKey()
	if err != nil {
		return nil, err
	}
	if key != nil {
		cfg.ClientSecret = "" // it is for Zoom Apps then, not for the token endpoint
	}
	oauthURL, err := parseBaseURL("oauth_url", cfg.OAuthURL, func() string { return defaultOAuthURL })
	if err != nil {
		return nil, err
	}
	apiURL, err := parseBaseURL("api_url", cfg.APIURL, func() string { return defaultAPIURL(oauthURL) })
	if err != nil {
		return nil, err
	}
	authorizeURL, err := parseURL("authorize_url", cfg.AuthorizeURL, func() string {
		return oauthURL.String() + "/oauth/authorize"
	})
	if err != nil {
		return nil, err
	}
	for _, scope := range cfg.Scopes {
		if !validScope(scope) {
			return nil, fmt.Errorf("scopes: %q is not a scope name", scope)
		}
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("timeout: must not be negative")
	}
	c := &Client{
		oauth: oauth2.Config{
			ClientID:     cfg.ClientID,
			ClientSecret: cfg.ClientSecret,
			Scopes:       append([]string(nil), cfg.Scopes...),
			Endpoint: oauth2.Endpoint{
				AuthURL:  authorizeURL.String(),
				TokenURL: oauthURL.String() + "/oauth/token",
				// Auto-detection would send every refused code a second
				// time, with the secret in the body.
				AuthStyle: oauth2.AuthStyleInHeader,
			},
		},
		key:     key,
		api:     apiURL,
		revoke:  below(oauthURL, "/oauth/revoke"),
		trusted: []*url.URL{apiURL, oauthURL},
		appID:   AppID(oauthURL.String(), cfg.ClientID),

		credentials: credentialsID(cfg.ClientID, cfg.ClientSecret, cfg.ClientKey, cfg.ClientKeyID),

		timeout: cfg.Timeout,
		http:    cfg.HTTPClient,
		trace:   cfg.Trace,
	}
	if cfg.ClientSecret == "" {
		c.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.http == nil {
		c.http, c.ownHTTP = NewHTTPClient(), true
	}
	return c, nil
}

// AppID names an OAuth app at a Zoom host in cookies and store keys: the first
// 8 hex digits of the SHA-256 of oauthURL, normalised, a zero byte and
// clientID. The zero byte keeps the two apart: no other pair joins to the same
// bytes.
func AppID(oauthURL, clientID string) string {
	if u, err := parseBaseURL("oauth_url", oauthURL, func() string { return defaultOAuthURL }); err == nil {
		oauthURL = u.String()
	}
	sum := sha256.Sum256([]byte(oauthURL + "\x00" + clientID))
	return hex.EncodeToString(sum[:4])
}

// AppID returns AppID of the client's OAuth URL and client id.
func (c *Client) AppID() string { return c.appID }

// ClientID returns the client id of the app.
func (c *Client) ClientID() string { return c.oauth.ClientID }

// Public reports whether the app is a public client, one without a secret and
// without a key of its own: anybody could call Zoom in its name.
func (c *Client) Public() bool { return c.oauth.ClientSecret == "" && c.key == nil }

// Timeout returns how long one call to Zoom may take.
func (c *Client) Timeout() time.Duration { return c.timeout }

// CloseIdleConnections closes the connections to Zoom that no call uses. It
// leaves those of an http.Client that came from Config alone.
func (c *Client) CloseIdleConnections() {
	if c.ownHTTP {
		c.http.CloseIdleConnections()
	}
}

// String hides the client secret and key from fmt and from loggers.
func (c *Client) String() string {
	return fmt.Sprintf("zoompkce.Client{ClientID: %q, AppID: %q}", c.oauth.ClientID, c.appID)
}

// GoString hides the client secret and key from %#v.
func (c *Client) GoString() string { return c.String() }

// Format hides the client secret and key from every verb of fmt.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue hides the client secret and key from log/slog.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// visibleASCII reports whether s is not empty, not longer than limit and made
// of printable ASCII without the space: safe in a header, a log line, a form.
func visibleASCII(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
