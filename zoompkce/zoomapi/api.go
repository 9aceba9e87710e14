package zoomapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// get calls an API endpoint with the access token of t and hands a successful
// answer to read, whose error makes it a KindNonsense.
func (c *Client) get(
	ctx context.Context, call Call, t Token, path string, query url.Values, read func(*answer) error,
) error {
	return c.request(ctx, call, t, http.MethodGet, path, query, "", read)
}

// post is get with a JSON object for a body.
func (c *Client) post(ctx context.Context, call Call, t Token, path, body string, read func(*answer) error) error {
	return c.request(ctx, call, t, http.MethodPost, path, nil, body, read)
}

func (c *Client) request(
	ctx context.Context, call Call, t Token, method, path string, query url.Values, body string, read func(*answer) error,
) error {
	if !validToken(t.AccessToken) {
		// Sent as it is, it would break the header or be refused anyway.
		return &Error{Call: call, Kind: KindUnauthorized, Err: errors.New("the access token is empty or malformed")}
	}
	req, _ := http.NewRequest(method, "", strings.NewReader(body)) // nothing there to be wrong
	req.URL = below(c.apiFor(t), path)
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Authorization", "Bearer "+t.AccessToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.exchange(ctx, call, do(req), func(a *answer) error {
		if !a.ok() {
			return apiError(call, a)
		}
		if err := read(a); err != nil {
			if refused := apiError(call, a); refused.Kind != KindNonsense {
				return refused
			}
			return nonsense(call, a, err)
		}
		return nil
	})
}

// getToken fetches an answer of the form {"token": "..."}.
func (c *Client) getToken(
	ctx context.Context, call Call, t Token, path string, query url.Values,
) (token string, got *answer, err error) {
	err = c.get(ctx, call, t, path, query, func(a *answer) error {
		var wire struct {
			Token json.RawMessage `json:"token"`
		}
		if json.Unmarshal(a.body, &wire) != nil {
			return errNotJSON
		}
		token, got = jsonText(wire.Token), a
		if !validToken(token) {
			return malformed("token")
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	return token, got, nil
}

// apiFor returns the API base for t: the one Zoom named with the token, where
// it can be trusted, else the configured one. A token comes back out of a
// store, so the check is made again on use.
func (c *Client) apiFor(t Token) *url.URL {
	if u := c.regionalAPI(t.APIURL); u != nil {
		return u
	}
	return c.api
}

// APIURL is the base URL of the API calls that t is good for.
func (c *Client) APIURL(t Token) string { return c.apiFor(t).String() }

// regionalAPI reads the api_url of a token answer, which names the region of
// the user's account, or returns nil if the token must not be sent there:
// whoever could choose it freely would be sent every access token.
//
// A Zoom host is accepted only if the configured API is at the same Zoom cloud.
// So tokens never leave a gateway or simulator that an operator configured, nor
// change between the commercial and the government cloud.
func (c *Client) regionalAPI(raw string) *url.URL {
	if len(raw) > 256 {
		return nil
	}
	u, err := parseBaseURL("api_url", raw, func() string { return "" })
	if err != nil || u.Path != "" {
		return nil
	}
	for _, trusted := range c.trusted {
		if u.Host == trusted.Host && u.Scheme == trusted.Scheme {
			return u
		}
	}
	if cloud := zoomCloud(u); cloud != "" && cloud == zoomCloud(c.api) {
		return u
	}
	return nil
}

// MeetingNumber returns the digits of a meeting number written with spaces or
// dashes, as Zoom shows it. It reports false unless these are 9 to 12 digits.
func MeetingNumber(s string) (string, bool) {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(s)
	if len(digits) < 9 || len(digits) > 12 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return digits, true
}
