package zoomapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		goodToken, ``, `null`, `[]`, `{`, `{"access_token":"a\r\nb","token_type":"bearer"}`,
		`{"access_token":"a","token_type":"bearer","expires_in":-1,"api_url":"https://evil.example"}`,
		`{"access_token":"a","token_type":"bearer","expires_in":1e300,"api_url":"https://api-eu.zoom.us/"}`,
		`{"reason":"Invalid Token!","error":"invalid_grant"}`, `{"code":"4711","message":"does not contain scopes:[a"}`,
	} {
		f.Add(200, seed)
		f.Add(400, seed)
	}
	c, err := NewClient(Config{ClientID: testClientID})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := &answer{status: status, header: http.Header{}, body: []byte(body), at: time.Now()}
		for _, e := range []*Error{tokenError(CallRefresh, a), apiError(CallMe, a)} {
			if e.Kind == KindUnknown || e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter || len(e.Scopes) > 20 {
				t.Errorf("error %+v", *e)
			}
			for _, r := range e.Error() {
				if r < ' ' || r > '~' {
					t.Errorf("error text %q", e.Error())
				}
			}
		}
		got, err := c.decodeToken(a)
		if err != nil {
			return
		}
		if !validToken(got.AccessToken) || got.RefreshToken != "" && !validToken(got.RefreshToken) {
			t.Errorf("token %q, %q", got.AccessToken, got.RefreshToken)
		}
		if life := got.Expiry.Sub(a.at); life <= 0 || life > maxExpiry {
			t.Errorf("lives for %v", life)
		}
		if got.APIURL != "" {
			u, err := url.Parse(got.APIURL)
			if err != nil || u.Scheme != "https" || u.Host != "zoom.us" && !strings.HasSuffix(u.Host, ".zoom.us") {
				t.Errorf("api_url %q", got.APIURL)
			}
		}
	})
}
