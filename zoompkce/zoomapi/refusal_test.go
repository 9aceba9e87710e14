package zoomapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAPIRefusals(t *testing.T) {
	const scopes = `"message":"Invalid access token, does not contain scopes:[user:read:zak, user:read:zak:admin]."}`
	wantScopes := []string{"user:read:zak", "user:read:zak:admin"}
	for name, test := range map[string]struct {
		status int
		body   string
		kind   Kind
		scopes []string
	}{
		"expired":               {401, `{"code":124,"message":"Access token is expired."}`, KindUnauthorized, nil},
		"invalid":               {401, `{"code":124,"message":"Invalid access token."}`, KindUnauthorized, nil},
		"401 without a body":    {401, ``, KindUnauthorized, nil},
		"124 with 400":          {400, `{"code":124}`, KindUnauthorized, nil},
		"replaced":              {400, `{"code":4741,"message":"Token revoked"}`, KindUnauthorized, nil},
		"scopes, 400":           {400, `{"code":4711,` + scopes, KindMissingScope, wantScopes},
		"scopes, 401 and 4700":  {401, `{"code":4700,` + scopes, KindMissingScope, wantScopes},
		"scopes, 201":           {403, `{"code":201,` + scopes, KindMissingScope, wantScopes},
		"scopes, status 200":    {200, `{` + scopes, KindMissingScope, wantScopes},
		"scopes, status 500":    {500, `{` + scopes, KindMissingScope, wantScopes},
		"scopes, bare code":     {400, `{"code":4711,"message":"no"}`, KindMissingScope, nil},
		"scopes, code as text":  {400, `{"code":"4711"}`, KindMissingScope, nil},
		"scopes, hostile names": {400, `{"message":"does not contain scopes:[<b>,a b:c,\u0007]"}`, KindMissingScope, []string{"a", "b:c"}},
		"scopes, no end": {
			400, `{"message":"does not contain scopes:[` + strings.Repeat("a:b,", 5000) + `"}`,
			KindMissingScope, slices.Repeat([]string{"a:b"}, 20),
		},
		"unknown user, 400":    {400, `{"code":1001,"message":"User not exist."}`, KindUnknownUser, nil},
		"unknown user, 404":    {404, `{"code":1001,"message":"User does not exist"}`, KindUnknownUser, nil},
		"rate limit":           {429, `{"code":429}`, KindRateLimited, nil},
		"rate limit from HTML": {429, `<html>`, KindRateLimited, nil},
		"server error":         {503, `{"code":1001}`, KindUnavailable, nil},
		"other refusal":        {400, `{"code":300,"message":"nope"}`, KindNonsense, nil},
		"forbidden HTML":       {403, `<html>`, KindNonsense, nil},
		"HTML":                 {200, `<html>`, KindNonsense, nil},
		"no token":             {200, `{}`, KindNonsense, nil},
		"empty token":          {200, `{"token":""}`, KindNonsense, nil},
		"null token":           {200, `{"token":null}`, KindNonsense, nil},
		"token with CR LF":     {200, `{"token":"a\r\nb"}`, KindNonsense, nil},
		"array":                {200, `[{"token":"a"}]`, KindNonsense, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveZoom(t, reply(test.status, test.body))
			zak, err := c.ZAK(t.Context(), Token{AccessToken: "a"}, 0)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Kind != test.kind || zak.Token != "" {
				t.Fatalf("got %v, want %v", err, test.kind)
			}
			if !slices.Equal(e.Scopes, test.scopes) {
				t.Errorf("scopes %q, want %q", e.Scopes, test.scopes)
			}
			if e.Call != CallZAK || e.Status != test.status {
				t.Errorf("error %+v", *e)
			}
		})
	}
}

func TestErrorsHoldNothingThatZoomChose(t *testing.T) {
	const secret = "S3CRET"
	tracking := "v=2.0;clid=us06;rid=WEB_1"
	for _, status := range []int{200, 302, 400, 401, 403, 429, 500} {
		for _, body := range []string{
			`{"reason":"Invalid authorization code ` + secret + `","error":"invalid_grant"}`,
			`{"reason":"` + secret + `","error":"` + secret + `"}`,
			`{"code":300,"message":"` + secret + `"}`,
			`{"errorCode":4700,"errorMessage":"Invalid redirect: ` + secret + `"}`,
			secret,
		} {
			c := serveZoom(t, reply(status, body, "X-Zm-Trackingid", tracking, "Location", "https://"+secret, "Retry-After", secret))
			_, code := c.Exchange(t.Context(), "", secret, secret)
			_, refresh := c.Refresh(t.Context(), secret)
			_, me := c.Me(t.Context(), Token{AccessToken: secret})
			for _, err := range []error{code, refresh, me} {
				if err == nil || strings.Contains(err.Error(), secret) {
					t.Errorf("%d %s: %v", status, body, err)
				}
				if !strings.Contains(err.Error(), tracking) {
					t.Errorf("no tracking id in %v", err)
				}
			}
		}
	}
	c := serveZoom(t, reply(400, `{}`, "X-Zm-Trackingid", "<script>"))
	if _, err := c.Refresh(t.Context(), "r"); strings.Contains(err.Error(), "script") {
		t.Errorf("a malformed tracking id is in %v", err)
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{
		Call: CallZAK, Status: 400, Code: 4711, OAuthError: "other", Kind: KindMissingScope,
		Scopes: []string{"a:b", "c:d"}, TrackingID: "x", Err: context.Canceled,
	}
	const want = "calling zoom (zak): missing scope a:b c:d (status 400, code 4711, error other, tracking id x): context canceled"
	if got := e.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for want, e := range map[string]*Error{
		"calling zoom (me): unavailable":             {Call: CallMe, Kind: KindUnavailable},
		"calling zoom (me): missing scope a":         {Call: CallMe, Kind: KindMissingScope, Scopes: []string{"a"}},
		"calling zoom (me): unavailable (status 1)":  {Call: CallMe, Kind: KindUnavailable, Status: 1},
		"calling zoom (me): unavailable (code 1)":    {Call: CallMe, Kind: KindUnavailable, Code: 1},
		"calling zoom (me): nonsense: id is missing": {Call: CallMe, Kind: KindNonsense, Err: errors.New("id is missing")},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if !errors.Is(e, context.Canceled) || KindOf(e) != KindMissingScope || KindOf(nil) != KindUnknown {
		t.Error("the chain of the error is broken")
	}
	var names []string
	for kind := Kind(-1); kind < 12; kind++ {
		names = append(names, kind.String())
	}
	if got := strings.Join(names, ","); got != "unknown,unknown,invalid_grant,invalid_client,redirect_mismatch,unauthorized,missing_scope,"+
		"unknown_user,rate_limited,unavailable,nonsense,unknown,unknown" {
		t.Errorf("kinds are called %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "-3": 0, "1.5": 1500 * time.Millisecond, "99999999999999": maxRetryAfter,
		"Sat, 21 Nov 2026 22:30:09 GMT": 9 * time.Second, "Sat, 21 Nov 2026 22:29:00 GMT": 0,
		"2026-11-21T22:31:00Z": time.Minute, "2026-11-21T22:31:00": time.Minute, "2026-11-21 22:31:00": time.Minute,
		"2026-11-21T22:31:00.250Z": time.Minute + 250*time.Millisecond, "2026-11-21T22:31:00.25": time.Minute + 250*time.Millisecond,
		"2026-11-21T23:31:00+01:00": time.Minute, "2026-11-21T23:31:00+0100": time.Minute,
		"2026-11-22T00:00:00Z": 90 * time.Minute, "9999-12-31T00:00:00Z": maxRetryAfter, " 7 ": 7 * time.Second,
	} {
		if got, ok := parseRetryAfter(http.Header{"Retry-After": {value}}, now); !ok || got != want {
			t.Errorf("%q gave %v, %v, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "soon", "1e9", "NaN", "Inf", "0x10", "--", ".", "7 days", strings.Repeat("1", 65)} {
		if got, ok := parseRetryAfter(http.Header{"Retry-After": {value}}, now); ok {
			t.Errorf("%q was read as %v", value, got)
		}
	}
}

func TestRateLimits(t *testing.T) {
	at := time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC)
	perSecond := `{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}`
	daily := `{"code":429,"message":"You have reached the maximum daily rate limit for this API."}`
	for name, test := range map[string]struct {
		body     string
		header   http.Header
		daily    bool
		min, max time.Duration
	}{
		"per second":         {perSecond, http.Header{}, false, time.Second, 2 * time.Second},
		"per second, header": {perSecond, http.Header{"Retry-After": {"3"}}, false, 3 * time.Second, 3 * time.Second},
		"daily by text":      {daily, http.Header{}, true, 90 * time.Minute, 90 * time.Minute},
		"daily by header":    {`{}`, http.Header{"X-Ratelimit-Type": {"Daily-limit"}}, true, 90 * time.Minute, 90 * time.Minute},
		"daily with a date": {
			daily, http.Header{"Retry-After": {"2026-11-21T23:00:00Z"}}, true, 30 * time.Minute, 30 * time.Minute,
		},
		"QPS by header": {`{}`, http.Header{"X-Ratelimit-Type": {"QPS"}}, false, time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			e := apiError(CallZAK, &answer{status: 429, header: test.header, body: []byte(test.body), at: at})
			if e.Kind != KindRateLimited || e.Daily != test.daily || e.RetryAfter < test.min || e.RetryAfter > test.max {
				t.Errorf("got %+v", *e)
			}
		})
	}
	e := tokenError(CallRefresh, &answer{status: 503, header: http.Header{"Retry-After": {"4"}}, at: at})
	if e.Kind != KindUnavailable || e.RetryAfter != 4*time.Second {
		t.Errorf("503 gave %+v", *e)
	}
}

// What status and number mean where the text says nothing
// (developers.zoom.us/docs/integrations/oauth-error-messages).
func TestNumbers(t *testing.T) {
	say := func(read func(Call, *answer) *Error, status int, body string) *Error {
		return read(CallCode, &answer{status: status, header: http.Header{"Retry-After": {"4"}}, body: []byte(body)})
	}
	for status, want := range map[int]Kind{
		299: KindNonsense, 300: KindNonsense, 399: KindNonsense, 408: KindUnavailable, 409: KindNonsense, 429: KindRateLimited, 430: KindNonsense,
		499: KindNonsense, 500: KindUnavailable, 501: KindUnavailable,
	} {
		for name, read := range map[string]func(Call, *answer) *Error{"api": apiError, "token": tokenError} {
			e := say(read, status, `{"reason":"x"}`)
			if e.Kind != want || (e.RetryAfter == 4*time.Second) != (want == KindUnavailable || want == KindRateLimited) {
				t.Errorf("%s, %d: %v, %v", name, status, e.Kind, e.RetryAfter)
			}
			if redirect := e.Err != nil && e.Err.Error() == "the answer is a redirect"; redirect != (status >= 300 && status < 400) {
				t.Errorf("%s, %d: %v", name, status, e.Err)
			}
		}
	}
	for code, want := range map[int][2]Kind{ // of the API, of the token endpoint
		0: {KindNonsense, KindNonsense}, 124: {KindUnauthorized, KindNonsense}, 429: {KindRateLimited, KindRateLimited},
		1001: {KindUnknownUser, KindNonsense}, 4711: {KindMissingScope, KindInvalidGrant},
		4733: {KindNonsense, KindInvalidGrant}, 4734: {KindNonsense, KindInvalidGrant}, 4735: {KindUnauthorized, KindInvalidGrant},
		4737: {KindUnauthorized, KindInvalidGrant}, 4738: {KindUnauthorized, KindInvalidGrant}, 4740: {KindUnauthorized, KindInvalidGrant},
		4741: {KindUnauthorized, KindInvalidGrant}, 4702: {KindNonsense, KindInvalidClient}, 4704: {KindNonsense, KindInvalidClient},
		4705: {KindNonsense, KindInvalidClient}, 4706: {KindNonsense, KindInvalidClient}, 4717: {KindNonsense, KindInvalidClient},
		4709: {KindNonsense, KindRedirectMismatch}, 4732: {KindNonsense, KindUnavailable},
		999999: {KindNonsense, KindNonsense},
	} {
		body := fmt.Sprintf(`{"code":%d}`, code)
		api, token := say(apiError, 400, body), say(tokenError, 400, body)
		if api.Kind != want[0] || token.Kind != want[1] || api.Code != code || token.Code != code || api.OAuthError != "" || api.Err != nil {
			t.Errorf("%d: %v, %v", code, api, token)
		}
	}
	for _, code := range []string{"-1", "1000000", "99999999999999999999", "true"} {
		if e := say(apiError, 400, `{"code":`+code+`}`); e.Code != 0 {
			t.Errorf("%s: %v", code, e)
		}
	}
	for word, want := range map[string]Kind{
		"invalid_client": KindInvalidClient, "unauthorized_client": KindInvalidClient, "unsupported_grant_type": KindInvalidClient,
		"server_error": KindUnavailable, "temporarily_unavailable": KindUnavailable, "invalid_scope": KindNonsense,
	} {
		e := say(tokenError, 400, `{"error":"`+word+`"}`)
		if e.Kind != want || e.OAuthError != word || (e.RetryAfter == 4*time.Second) != (want == KindUnavailable) {
			t.Errorf("%s: %+v", word, e)
		}
	}
	e := new(Error)
	if e.unavailable(&answer{header: http.Header{"Retry-After": {"soon"}}}); e.RetryAfter != 0 {
		t.Errorf("soon is %v", e.RetryAfter)
	}
	if e := say(apiError, 400, "<html>"); !errors.Is(e.Err, errNotJSON) {
		t.Errorf("HTML: %v", e)
	}
	if e := nonsense(CallMe, &answer{status: 200}, errNotJSON); !errors.Is(e.Err, errNotJSON) || e.Kind != KindNonsense {
		t.Errorf("%v", e)
	}
}

// A success that is none tells what is wrong with it.
func TestSuccessThatIsNone(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "access_token is missing", `{"code":1}`: "code 1", `{"code":4735}`: "invalid grant", `{"error":"invalid_grant"}`: "invalid grant",
	} {
		if _, err := serveZoom(t, reply(200, body)).Refresh(t.Context(), "r"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	if _, err := serveZoom(t, reply(200, `{}`)).ZAK(t.Context(), Token{AccessToken: "a"}, 0); err == nil || !strings.Contains(err.Error(), "token is missing") {
		t.Errorf("no ZAK: %v", err)
	}
	if err := serveZoom(t, reply(200, "x")).Revoke(t.Context(), "a"); KindOf(err) != KindNonsense {
		t.Errorf("revoking: %v", err)
	}
	if id := (Token{AccessToken: accessJWT(`{"uid":"ada"}`) + "."}).UserID(); id != "ada" {
		t.Errorf("got %q", id)
	}
	header, rest, _ := strings.Cut(accessJWT(`{"uid":"adams"}`), ".") // whose base64 has no rest
	claims, signature, _ := strings.Cut(rest, ".")
	if id := (Token{AccessToken: header + "." + claims + "!." + signature}).UserID(); id != "" {
		t.Errorf("of what is not base64: %q", id)
	}
}
