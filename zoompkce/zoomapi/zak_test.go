package zoomapi

import (
	"net/http"
	"testing"
	"time"
)

func TestZAKAndOBF(t *testing.T) {
	type result struct {
		token         string
		fetched, ends time.Time
	}
	zak := func(life time.Duration) func(*Client, Token) (result, error) {
		return func(c *Client, tok Token) (result, error) {
			z, err := c.ZAK(t.Context(), tok, life)
			return result{z.Token, z.FetchedAt, z.ExpiresAt}, err
		}
	}
	obf := func(life time.Duration) func(*Client, Token) (result, error) {
		return func(c *Client, tok Token) (result, error) {
			o, err := c.OBF(t.Context(), tok, "123 456-7890", life)
			return result{o.Token, o.FetchedAt, o.ExpiresAt}, err
		}
	}
	const token = "/v2/users/me/token?"
	for name, test := range map[string]struct {
		do   func(*Client, Token) (result, error)
		url  string
		life time.Duration
	}{
		"zak":                    {zak(0), "/v2/users/me/zak", 5 * time.Minute},
		"zak for an hour":        {zak(time.Hour), token + "ttl=3600&type=zak", time.Hour},
		"zak below a second":     {zak(time.Millisecond), token + "ttl=1&type=zak", time.Second},
		"zak below zero":         {zak(-time.Hour), token + "ttl=1&type=zak", time.Second},
		"zak for ever":           {zak(1 << 62), token + "ttl=31536000&type=zak", maxTTL},
		"zak of a broken second": {zak(1500 * time.Millisecond), token + "ttl=1&type=zak", time.Second},
		"obf":                    {obf(0), token + "meeting_id=1234567890&type=onbehalf", 2 * time.Hour},
		"obf for ten minutes":    {obf(10 * time.Minute), token + "meeting_id=1234567890&ttl=600&type=onbehalf", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() != test.url || r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer the-access" {
					t.Errorf("%s %s, want %s", r.Method, r.URL, test.url)
				}
				reply(200, `{"token":"the-key"}`)(w, r)
			})
			before := time.Now()
			got, err := test.do(c, Token{AccessToken: "the-access"})
			if err != nil || got.token != "the-key" {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got.fetched.Before(before) || got.ends.Sub(got.fetched) != test.life {
				t.Errorf("fetched %v, lives %v, want %v", got.fetched, got.ends.Sub(got.fetched), test.life)
			}
		})
	}
}

func TestOBFChecksTheMeetingFirst(t *testing.T) {
	c := serveZoom(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("request %s", r.URL) })
	for _, bad := range []string{"", "12345", "123456789&type=zak", "{http.request.uri}"} {
		if _, err := c.OBF(t.Context(), Token{AccessToken: "a"}, bad, 0); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
