package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A ZAK goes where it is wanted, and nowhere else.
func TestZAKIsGivenWhereItIsWanted(t *testing.T) {
	p := provision(t, `, "zak": {"match": [{"path": ["/join"]}]}`)
	cookies := p.signIn()
	get := func(page string) http.Header {
		t.Helper()
		got, headers := p.serve(httptest.NewRequest(http.MethodGet, page, nil), cookies, nil)
		if got.StatusCode != passed {
			t.Fatalf("%s: %s", page, got.Status)
		}
		return headers
	}
	if user, _, ok := p.zoom.ValidateZAK(get("/join").Get(standardZAKHeader)); !ok || user != "ada" {
		t.Errorf("the app got a ZAK of %q, %v", user, ok)
	}
	if headers := get("/other"); headers.Get(standardZAKHeader)+headers.Get(standardZAKHeader+zakErrorSuffix) != "" {
		t.Errorf("a page that wants none got %v", headers)
	}
}

// Where no ZAK can be had, a request goes on and says why, or is refused; a grant that has
// ended is the end of the session, and a scope that is missing is asked for, once.
func TestWithoutZAK(t *testing.T) {
	missing := zoomtest.Status(400, `{"code": 4711, "message": "Invalid access token, does not contain scopes:[user:read:zak]."}`)
	for _, test := range []struct {
		name, options string
		fault         http.Handler
		status        int
		code          outcome.Code // in the header, or of the answer
	}{
		{"omit", ``, zoomtest.Status(503, ""), passed, outcome.ZAKUnavailable},
		{"omit, too often", ``, zoomtest.RateLimited("60", false), passed, outcome.ZoomRateLimited},
		{"omit, no scope", ``, missing, passed, outcome.MissingScope},
		{"fail", `, "zak": {"on_error": "fail"}`, zoomtest.Status(503, ""), 503, outcome.ZAKUnavailable},
		{"fail, too often", `, "zak": {"on_error": "fail"}`, zoomtest.RateLimited("60", false), 503, outcome.ZoomRateLimited},
		{"fail, no scope", `, "zak": {"on_error": "fail"}`, missing, 502, outcome.MissingScope},
	} {
		p := provision(t, test.options)
		ada := p.signIn()
		p.zoom.Fail(zoomtest.CallZAK, -1, test.fault)
		p.logs.TakeAll()
		got, headers := p.fetch("/", ada)
		if got.StatusCode != test.status {
			t.Errorf("%s: %s", test.name, got.Status)
		}
		if code := headers.Get(standardZAKHeader + zakErrorSuffix); test.status == passed && (code != string(test.code) || headers.Get(standardZAKHeader) != "") {
			t.Errorf("%s: the app got %v", test.name, headers)
		} else if test.status != passed && codeOf(bodyOf(got)) != string(test.code) {
			t.Errorf("%s: refused with something else", test.name)
		}
		if n := p.logs.FilterMessage("a request goes on without a ZAK").Len(); (n == 1) != (test.status == passed) {
			t.Errorf("%s: %d lines in the log", test.name, n)
		}
		asks := test.code == outcome.MissingScope
		first := p.open("/notes", ada)
		if toZoom := strings.HasPrefix(first.Header.Get("Location"), p.zoom.URL); toZoom != asks {
			t.Errorf("%s: a page load is sent to %q", test.name, first.Header.Get("Location"))
		}
		if second := p.open("/notes", ada+"; "+cookiesOf(first)); asks && second.StatusCode != test.status {
			t.Errorf("%s: asked for once more: %s to %q", test.name, second.Status, second.Header.Get("Location"))
		} else if text := bodyOf(second); asks && test.status == 502 && !strings.Contains(text, "user:read:zak") {
			t.Errorf("%s: the page names no scope:\n%s", test.name, text)
		}
		if asks && first.Cookies()[0].MaxAge != 600 {
			t.Errorf("%s: cookies %v", test.name, first.Cookies())
		}
		rejecting := p.beside(test.options + `, "unauthenticated": "reject"`)
		if got := rejecting.open("/notes", ada); got.StatusCode == http.StatusSeeOther {
			t.Errorf("%s, unauthenticated reject: sent to %q", test.name, got.Header.Get("Location"))
		}
	}
	p := provision(t, `, "zak": {"on_error": "fail"}`)
	p.zoom.Fail(zoomtest.CallZAK, -1, missing)
	if got := p.open("/notes", p.signIn()); !strings.HasPrefix(got.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("a page load that finds out: %s to %q", got.Status, got.Header.Get("Location"))
	}
	for _, options := range []string{
		`, "zak": {"max_age": "0s"}`, `, "zak": {"max_age": "0s", "on_error": "fail"}`, `, "obf": {"meeting_id": "123456789"}, "zak": {"disabled": true}`,
	} {
		p := provision(t, options+`, "zoom_timeout": "300ms"`)
		ada := p.signIn()
		p.zoom.RevokeUser(testClientID, "ada")
		if got, _ := p.fetch("/", ada); got.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: a grant that has ended: %s", options, got.Status)
		}
	}
}

// A token that has ended and cannot be refreshed lets nobody pass, whether the app gets it or not.
func TestExpiredToken(t *testing.T) {
	p := provision(t, `, "zak": {"disabled": true}`)
	p.zoom.AccessTokenLifetime = time.Second
	ada := p.signIn()
	p.zoom.Fail(zoomtest.CallRefresh, -1, zoomtest.Status(503, ""))
	time.Sleep(1100 * time.Millisecond)
	for _, options := range []string{``, `, "unauthenticated": "pass"`, `, "headers": {"access_token": {"disabled": true}}`} {
		if got, headers := p.beside(`, "zak": {"disabled": true}`+options).fetch("/", ada); got.StatusCode != 503 || headers != nil || len(got.Cookies()) > 0 {
			t.Errorf("%s: %s, the app got %v", options, got.Status, headers)
		}
	}
	backend := p.beside(`, "zak": {"disabled": true}, "backend": {"secret": ["` + testCookieSecret + `"]}`)
	if got, _ := backend.fetch("/zoom_pkce/backend/token?user_id=ada", "", "Authorization", "Bearer "+testCookieSecret); got.StatusCode != 503 {
		t.Errorf("a back end gets %s", got.Status)
	}
	p = provision(t, `, "headers": {"access_token": {"name": "Authorization", "scheme": "Bearer", "match": [{"path": ["/api/*"]}]}}`)
	ada = p.signIn()
	for target, given := range map[string]bool{"/api/x": true, "/other": false} {
		if _, headers := p.fetch(target, ada, "Authorization", "Bearer eve"); strings.HasPrefix(headers.Get("Authorization"), "Bearer ey") != given || headers.Get("Authorization") == "Bearer eve" {
			t.Errorf("%s: the app got %v", target, headers)
		}
	}
}

// An OBF token is for the meeting that the request names, and for nobody without one.
func TestOBFForAMeeting(t *testing.T) {
	const option = `, "zak": {"disabled": true}, "obf": {"meeting_id": "{http.request.uri.query.meeting}"`
	p := provision(t, option+`}`)
	ada := p.signIn()
	_, headers := p.fetch("/?meeting=123-456-7890", ada)
	if user, meeting, ok := p.zoom.ValidateOBF(headers.Get(standardOBFHeader)); !ok || user != "ada" || meeting != "1234567890" {
		t.Errorf("a token of %q for %q, %v", user, meeting, ok)
	}
	if got, headers := p.fetch("/?meeting=x", ada); got.StatusCode != passed || headers.Get(standardOBFHeader) != "" || p.zoom.Count(zoomtest.CallOBF) != 1 {
		t.Errorf("no meeting: %s, the app got %v", got.Status, headers)
	}
	p.zoom.Fail(zoomtest.CallOBF, -1, zoomtest.Status(503, ""))
	if got, headers := p.fetch("/?meeting=1234567891", ada); got.StatusCode != passed || headers.Get(standardOBFHeader) != "" {
		t.Errorf("omit: %s, the app got %v", got.Status, headers)
	}
	failing := p.beside(option + `, "on_error": "fail"}`)
	if got, _ := failing.fetch("/?meeting=1234567892", ada); got.StatusCode != 503 || codeOf(bodyOf(got)) != "zak_unavailable" {
		t.Errorf("fail: %s", got.Status)
	}
}

// A second directive of an app gives what the first has fetched, if that is good enough,
// and its own allow counts.
func TestSecondDirective(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string
		calls         int
	}{
		"the same":             {`{"max_age": "0s"}`, `{"max_age": "0s"}`, 1},
		"it wants an older":    {`{"max_age": "0s"}`, `{"max_age": "1m"}`, 1},
		"it wants a newer":     {`{"max_age": "1m"}`, `{"max_age": "0s"}`, 2},
		"it wants a longer":    {`{"max_age": "0s"}`, `{"max_age": "0s", "lifetime": "1h"}`, 2},
		"the first wants none": {`{"disabled": true}`, `{"max_age": "1m"}`, 1},
		"it wants none":        {`{"max_age": "1m"}`, `{"disabled": true}`, 1},
	} {
		p := provision(t, `, "zak": `+test.first)
		p.then = []*provisioned{p.beside(`, "zak": ` + test.second)}
		ada := p.signIn()
		_, headers := p.fetch("/", ada)
		if n := p.zoom.Count(zoomtest.CallZAK) + p.zoom.Count(zoomtest.CallZAKToken); n != test.calls {
			t.Errorf("%s: %d calls", name, n)
		}
		if user, _, ok := p.zoom.ValidateZAK(headers.Get(standardZAKHeader)); !ok || user != "ada" || len(headers[standardUserIDHeader]) != 1 {
			t.Errorf("%s: the app got %v", name, headers)
		}
	}
	p := provision(t, "")
	p.then = []*provisioned{p.beside(`, "allow": {"user_id": ["bob"]}, "headers": {"user_id": {"name": "X-Other-Id"}, "email": {"name": "X-Other-Mail"}}`)}
	if got, headers := p.fetch("/", p.signIn(), "X-Other-Id", "eve"); got.StatusCode != http.StatusForbidden || headers != nil {
		t.Errorf("its allow: %s", got.Status)
	}
	_, headers := p.fetch("/", p.signInAs("bob"), "X-Other-Id", "eve", standardUserIDHeader, "eve", "X-Other-Mail", "eve")
	if headers.Get("X-Other-Id") != "bob" || headers.Get(standardUserIDHeader) != "bob" {
		t.Errorf("both: the app got %v", headers)
	}
	p.then = []*provisioned{
		p.beside(`, "headers": {"access_token": {"disabled": true}, "user_id": {"name": "X-Other-Id"}}`),
		p.beside(`, "headers": {"access_token": {"disabled": true}, "user_id": {"disabled": true}}`),
	}
	_, both := p.fetch("/", p.signInAs("bob"))
	if _, user, ok := p.zoom.ValidateAccessToken(both.Get(standardTokenHeader)); !ok || user != "bob" || both.Get("X-Other-Id") != "bob" {
		t.Errorf("what the first has set became %v", both)
	}
	first := p.beside(`, "unauthenticated": "pass"`)
	first.then = []*provisioned{p.beside("")}
	if got, _ := first.fetch("/", ""); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("who is nobody for the first: %s", got.Status)
	}
	for name, values := range headers { // Bob has no verified address
		if name == "" || strings.Join(values, "") == "" || name == standardEmailHeader || name == "X-Other-Mail" {
			t.Errorf("the app got %q of %q", name, values)
		}
	}
}

// The app's word that Zoom has refused a token goes no further; if it is true, the next
// request carries another one.
func TestRejectedToken(t *testing.T) {
	p := provision(t, "")
	ada := p.signIn()
	_, headers := p.fetch("/", ada)
	token := headers.Get(standardTokenHeader)
	p.zoom.RevokeAccessTokens(testClientID, "ada")
	for _, field := range []string{standardTokenHeader + rejectedSuffix, http.TrailerPrefix + standardTokenHeader + rejectedSuffix} {
		p.app = func(w http.ResponseWriter, _ *http.Request) {
			if field != standardTokenHeader+rejectedSuffix {
				w.WriteHeader(http.StatusOK)
			}
			w.Header().Set(field, "1")
			w.WriteHeader(http.StatusOK)
		}
		got, _ := p.fetch("/", ada)
		if said := got.Header.Get(field) + got.Trailer.Get(standardTokenHeader+rejectedSuffix); said != "" {
			t.Errorf("%s: %v, %v", field, got.Header, got.Trailer)
		}
	}
	p.app = nil
	testkit.Eventually(t, "another token", 10*time.Second, func() bool {
		_, headers := p.fetch("/", ada)
		return headers.Get(standardTokenHeader) != token
	})
}

// The page's script gets keys of meetings, if the site lets it, and who may be here.
func TestPageTokens(t *testing.T) {
	bothWays(t, `, "page_tokens": true, "zak": {"max_age": "2m"}`, testPageTokens)
}

func testPageTokens(t *testing.T, p *provisioned) {
	t.Helper()
	ada := p.signIn()
	_, zakText := p.post("/zoom_pkce/zak", "", ada)
	var zak zakAnswer
	if err := json.Unmarshal([]byte(zakText), &zak); err != nil || time.Since(zak.FetchedAt).Abs() > time.Minute || time.Until(zak.ExpiresAt) < 4*time.Minute ||
		!strings.HasSuffix(zakText, "Z\"}\n") && !strings.HasSuffix(zakText, "Z\"}") {
		t.Errorf("%s, %v", zakText, err)
	}
	if user, _, ok := p.zoom.ValidateZAK(zak.ZAK); !ok || user != "ada" {
		t.Errorf("a ZAK of %q, %v", user, ok)
	}
	_, obfText := p.post("/zoom_pkce/obf", `{"meeting_id": "123 456 789"}`, ada)
	var obf obfAnswer
	if err := json.Unmarshal([]byte(obfText), &obf); err != nil || time.Until(obf.ExpiresAt) < time.Hour {
		t.Errorf("%s, %v", obfText, err)
	}
	if user, meeting, ok := p.zoom.ValidateOBF(obf.Token); !ok || user != "ada" || meeting != "123456789" {
		t.Errorf("an OBF token of %q for %q, %v", user, meeting, ok)
	}
	barred := p.beside(p.options + `, "allow": {"user_id": ["bob"]}`)
	off := p.beside(`, "zak": {"max_age": "2m"}`)
	for name, test := range map[string]struct {
		at                   *provisioned
		endpoint, body, site string
		cookies              string
		code                 outcome.Code
	}{
		"a stranger":              {p, "zak", "", "same-origin", "", outcome.SignInRequired},
		"a stranger's meeting":    {p, "obf", `{"meeting_id": 123456789}`, "same-origin", "", outcome.SignInRequired},
		"another site":            {p, "zak", "", "cross-site", ada, outcome.CrossSite},
		"another site's meeting":  {p, "obf", `{"meeting_id": 123456789}`, "cross-site", ada, outcome.CrossSite},
		"who may not be here":     {barred, "zak", "", "same-origin", ada, outcome.NotAllowed},
		"nor with a meeting":      {barred, "obf", `{"meeting_id": 123456789}`, "same-origin", ada, outcome.NotAllowed},
		"without page_tokens":     {off, "zak", "", "same-origin", ada, outcome.NotFound},
		"no JSON":                 {p, "obf", `{`, "same-origin", ada, outcome.BadRequest},
		"no meeting":              {p, "obf", `{"meeting_id": "x"}`, "same-origin", ada, outcome.BadRequest},
		"no path of the endpoint": {p, "zak/", "", "same-origin", ada, outcome.NotFound},
	} {
		if status, answer := test.at.post("/zoom_pkce/"+test.endpoint, test.body, test.cookies, "Sec-Fetch-Site", test.site); codeOf(answer) != string(test.code) || status != test.code.Status() {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if got, _ := p.fetch("/zoom_pkce/zak", ada); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s, Allow %q", got.Status, got.Header.Get("Allow"))
	}
	calls, aged := p.zoom.Count(zoomtest.CallZAK), counts(t)["zak_age_seconds"]
	p.post("/zoom_pkce/zak", "", ada)
	p.fetch("/", ada)
	if n := counts(t)["zak_age_seconds"] - aged; n != 2 {
		t.Errorf("%v ages were observed", n)
	}
	if n := p.zoom.Count(zoomtest.CallZAK) - calls; n != 0 {
		t.Errorf("%d calls for one that is new enough", n)
	}
	p = provision(t, p.options+`, "obf": {"meeting_id": "{query}", "lifetime": "30m"}`)
	ada = p.signIn()
	_, obfText = p.post("/zoom_pkce/obf", `{"meeting_id": 123456780}`, ada)
	if err := json.Unmarshal([]byte(obfText), &obf); err != nil || time.Until(obf.ExpiresAt).Round(time.Minute) != 30*time.Minute {
		t.Errorf("an OBF token for half an hour: %s, %v", obfText, err)
	}
	p.zoom.Fail(zoomtest.CallAny, -1, zoomtest.Status(http.StatusServiceUnavailable, ""))
	for endpoint, body := range map[string]string{"zak": "", "obf": `{"meeting_id": 123456789}`} {
		if _, answer := p.post("/zoom_pkce/"+endpoint, body, ada); codeOf(answer) != string(outcome.ZAKUnavailable) {
			t.Errorf("%s, Zoom is away: %s", endpoint, answer)
		}
	}
}

// The app's servers get tokens of users who have left a grant, and may still use the site.
func TestBackends(t *testing.T) {
	const secret = `, "backend": {"secret": ["` + testCookieSecret + `"]}, "zak": {"disabled": true}`
	p := provision(t, secret)
	p.signIn()
	p.signInAs("bob")
	entitled := []string{"Authorization", "Bearer " + testCookieSecret, "Sec-Fetch-Site", "cross-site"} // which is for browsers
	ask := func(at *provisioned, what string, headers ...string) (int, string, *http.Response) {
		got, _ := at.fetch("/zoom_pkce/backend/"+what, "", headers...)
		return got.StatusCode, bodyOf(got), got
	}
	before := counts(t)
	_, token, _ := ask(p, "token?user_id=ada&format=text", entitled...)
	ask(p, "token?user_id=eve", entitled...)
	for ending, metric := range map[string]string{"ok": "backend_tokens_total token ok", "nobody's": "backend_tokens_total token not_found", "answered": "requests_total endpoint"} {
		if n := counts(t)[metric] - before[metric]; n != 1 {
			t.Errorf("%s: counted %v times", ending, n)
		}
	}
	if _, user, ok := p.zoom.ValidateAccessToken(token); !ok || user != "ada" {
		t.Errorf("the access token %q", token)
	}
	_, zak, _ := ask(p, "zak?user_id=bob&format=text", entitled...)
	if user, _, ok := p.zoom.ValidateZAK(zak); !ok || user != "bob" || counts(t)["zak_age_seconds"] != before["zak_age_seconds"]+1 {
		t.Errorf("the ZAK %q, whose age may not be counted", zak)
	}
	_, obf, got := ask(p, "obf?user_id=ada&meeting_id=123456789&format=text", entitled...)
	if user, meeting, ok := p.zoom.ValidateOBF(obf); !ok || user != "ada" || meeting != "123456789" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the OBF token %q with %v", obf, got.Header)
	}
	if _, answer, _ := ask(p, "token?user_id=ada", entitled...); !strings.Contains(answer, `"api_url":"`+p.zoom.URL+`"`) || !strings.Contains(answer, `"expires_at":"2`) {
		t.Errorf("the answer is %s", answer)
	}
	if lines := p.logs.FilterMessage("handed out a token to a back end").All(); len(lines) != 4 || strings.Contains(fmt.Sprint(lines), token) || lines[0].ContextMap()["user_id"] != "ada" {
		t.Errorf("the log has %v", lines)
	}
	barred := p.beside(secret + `, "allow": {"user_id": ["bob"]}`)
	off := p.beside("")
	for _, kind := range []string{"token", "zak", "obf"} {
		query := kind + "?meeting_id=123456789&user_id="
		for name, test := range map[string]struct {
			at      *provisioned
			user    string
			headers []string
			code    outcome.Code
		}{
			"nobody's":        {p, "eve", entitled, outcome.NotFound},
			"barred":          {barred, "ada", entitled, outcome.NotAllowed},
			"no secret":       {p, "ada", nil, outcome.SignInRequired},
			"another secret":  {p, "ada", []string{"Authorization", "Bearer " + strings.Repeat("x", 32)}, outcome.BadSignature},
			"without backend": {off, "ada", entitled, outcome.NotFound},
		} {
			status, answer, got := ask(test.at, query+test.user, append(test.headers, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")...)
			if name == "without backend" {
				if status != http.StatusNotFound {
					t.Errorf("%s, %s: %d", kind, name, status)
				}
				continue
			}
			if status != test.code.Status() || codeOf(answer) != string(test.code) || strings.Contains(answer, "login_url") {
				t.Errorf("%s, %s: %d %s", kind, name, status, answer)
			}
			if name == "nobody's" && !strings.Contains(answer, "has left a grant") {
				t.Errorf("%s, %s: %s", kind, name, answer)
			}
			if challenge := got.Header.Get("WWW-Authenticate"); (challenge == "Bearer") != (name == "no secret") {
				t.Errorf("%s, %s: challenged with %q", kind, name, challenge)
			}
		}
	}
	if got, _ := p.serve(request(http.MethodPut, "/zoom_pkce/backend/token", "", entitled...), "", nil); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %s, Allow %q", got.Status, got.Header.Get("Allow"))
	}
	p.zoom.Fail(zoomtest.CallAny, -1, zoomtest.Status(http.StatusServiceUnavailable, ""))
	p.zoom.ExpireAccessTokens(testClientID, "ada")
	for _, kind := range []string{"zak", "obf"} {
		if status, answer, _ := ask(p, kind+"?meeting_id=123456780&user_id=ada", entitled...); status != http.StatusServiceUnavailable || codeOf(answer) != string(outcome.ZAKUnavailable) {
			t.Errorf("%s, Zoom is away: %d %s", kind, status, answer)
		}
	}
}
