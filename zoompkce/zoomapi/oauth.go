package zoomapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	maxTokenLength = 16 << 10
	maxScopes      = 8 << 10
	maxExpiry      = 24 * time.Hour
	defaultExpiry  = time.Hour
)

// Token is a token set that Zoom issued for one user. It prints as redacted;
// encoding/json writes it in full.
type Token struct {
	// AccessToken authorizes API calls. Printable ASCII, at most 16 KiB.
	AccessToken string
	// RefreshToken gets the next token set, once. Empty if Zoom sent none; then
	// the sign-in ends with the access token.
	RefreshToken string
	// Expiry is when the access token ends, by this machine's clock.
	Expiry time.Time
	// Scopes are the scopes the token has, as far as Zoom said.
	Scopes []string
	// APIURL is the regional API base that Zoom named for the user, if it is
	// one to be trusted. Empty means the configured one.
	APIURL string
}

// String hides the tokens from fmt and from loggers.
func (t Token) String() string { return redacted }

// GoString hides the tokens from %#v.
func (t Token) GoString() string { return redacted }

// Format hides the tokens from every verb of fmt.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the tokens from log/slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// AuthCodeURL returns the address of the consent page for one sign-in attempt.
// The challenge is always S256: Zoom takes a challenge without a method as
// plain, and the exchange then fails with invalid_grant.
func (c *Client) AuthCodeURL(redirectURI, state, verifier string) string {
	conf := c.oauth
	conf.RedirectURL = redirectURI
	return conf.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange redeems an authorization code, once: Zoom accepts a code a single
// time, for five minutes. redirectURI must be the one of AuthCodeURL; an empty
// one is left out, as some in-client flows need it.
func (c *Client) Exchange(ctx context.Context, redirectURI, code, verifier string) (*Token, error) {
	conf := c.oauth
	conf.RedirectURL = redirectURI
	return c.token(ctx, CallCode, "", func(ctx context.Context) error {
		_, err := conf.Exchange(ctx, code, oauth2.VerifierOption(verifier))
		return err
	})
}

// Refresh redeems a refresh token, once: Zoom issues a new one with every answer
// and refuses the old one from then on. It is never repeated here, because a
// request whose answer was lost may have spent the token.
//
// An answer without a refresh token leaves the old one valid (RFC 6749 section
// 6), so the result carries that one.
func (c *Client) Refresh(ctx context.Context, refreshToken string) (*Token, error) {
	if !validToken(refreshToken) {
		return nil, &Error{Call: CallRefresh, Kind: KindInvalidGrant, Err: errors.New("there is no usable refresh token")}
	}
	conf := c.oauth // a copy, since x/oauth2 writes a cache into it
	return c.token(ctx, CallRefresh, refreshToken, func(ctx context.Context) error {
		_, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
		return err
	})
}

// token makes one call to the token endpoint. x/oauth2 builds the request and
// authenticates it; the answer is read here, from its raw bytes, because Zoom's
// errors and api_url are outside what x/oauth2 knows.
func (c *Client) token(
	ctx context.Context, call Call, oldRefresh string, send func(context.Context) error,
) (t *Token, err error) {
	err = c.exchange(ctx, call, func(ctx context.Context, hc *http.Client) error {
		return send(context.WithValue(ctx, oauth2.HTTPClient, hc))
	}, func(a *answer) error {
		if !a.ok() {
			return tokenError(call, a)
		}
		got, err := c.decodeToken(a)
		if err != nil {
			if refused := tokenError(call, a); refused.Code != 0 || refused.OAuthError != "" {
				return refused
			}
			return nonsense(call, a, err)
		}
		if got.RefreshToken == "" {
			got.RefreshToken = oldRefresh
		}
		t = got
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (c *Client) decodeToken(a *answer) (*Token, error) {
	var wire struct {
		AccessToken  json.RawMessage `json:"access_token"`
		TokenType    json.RawMessage `json:"token_type"`
		RefreshToken json.RawMessage `json:"refresh_token"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Scope        json.RawMessage `json:"scope"`
		APIURL       json.RawMessage `json:"api_url"`
		Error        json.RawMessage `json:"error"`
	}
	if json.Unmarshal(a.body, &wire) != nil {
		return nil, errNotJSON
	}
	if jsonText(wire.Error) != "" {
		return nil, errors.New("the answer is an error with a status of success")
	}
	t := &Token{
		AccessToken:  jsonText(wire.AccessToken),
		RefreshToken: jsonText(wire.RefreshToken),
		Expiry:       a.at.Add(lifetime(wire.ExpiresIn)),
		Scopes:       splitScopes(jsonText(wire.Scope)),
	}
	if !validToken(t.AccessToken) {
		return nil, malformed("access_token")
	}
	if !strings.EqualFold(jsonText(wire.TokenType), "bearer") {
		return nil, malformed("token_type")
	}
	if t.RefreshToken != "" && !validToken(t.RefreshToken) {
		return nil, malformed("refresh_token")
	}
	if u := c.regionalAPI(jsonText(wire.APIURL)); u != nil {
		t.APIURL = u.String()
	}
	return t, nil
}

// lifetime reads expires_in, a number or a numeric string, at most 24 h.
//
// An absent or unusable value (zero and negative ones too) counts as the one
// hour that Zoom documents. Taking the token for expired instead would refresh
// it with every request, for ever; and refusing the answer would throw away the
// only refresh token that still works. If the token does end sooner, the API
// says so and it is refreshed then.
func lifetime(raw json.RawMessage) time.Duration {
	// It is 0 for what is no number, and infinite for what is too large.
	seconds, _ := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	if !(seconds > 0) {
		return defaultExpiry
	}
	return time.Duration(min(seconds, maxExpiry.Seconds()) * float64(time.Second))
}

// splitScopes drops what is not a scope name: scopes are a hint, and not worth
// losing a token over.
func splitScopes(s string) (scopes []string) {
	if len(s) > maxScopes {
		return nil
	}
	for scope := range strings.FieldsSeq(s) {
		if validScope(scope) {
			scopes = append(scopes, strings.Clone(scope))
		}
	}
	return scopes
}

func validScope(s string) bool { return scopeName.MatchString(s) }

// validToken keeps line breaks, spaces and control characters out of request
// headers (RFC 6750 section 2.1 allows even less) and giants out of stores.
func validToken(s string) bool { return visibleASCII(s, maxTokenLength) }

// Revoke ends an access token at Zoom, and with it the user's authorization.
//
// It uses no x/oauth2 client: one would replace the Basic header by the token
// to be revoked, which Zoom answers with invalid_client.
func (c *Client) Revoke(ctx context.Context, accessToken string) error {
	if !validToken(accessToken) {
		return &Error{Call: CallRevoke, Kind: KindInvalidGrant, Err: errors.New("there is no usable access token")}
	}
	form := url.Values{"token": {accessToken}}
	if c.oauth.ClientSecret == "" {
		form.Set("client_id", c.oauth.ClientID)
	}
	req, _ := http.NewRequest(http.MethodPost, "", strings.NewReader(form.Encode())) // nothing there to be wrong
	req.URL = c.revoke
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.oauth.ClientSecret != "" {
		// Form-encoded first (RFC 6749 section 2.3.1), as x/oauth2 does.
		req.SetBasicAuth(url.QueryEscape(c.oauth.ClientID), url.QueryEscape(c.oauth.ClientSecret))
	}
	return c.exchange(ctx, CallRevoke, do(req), func(a *answer) error {
		r, readable := readRefusal(a.body)
		switch {
		case !a.ok() || r.word != "" || r.code != 0:
			return tokenError(CallRevoke, a)
		case !readable && len(a.body) > 0:
			return nonsense(CallRevoke, a, errNotJSON)
		}
		return nil
	})
}
