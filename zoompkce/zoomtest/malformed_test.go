package zoomtest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ask makes a request and returns the answer and its body.
func (w *world) ask(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(text)
}

// Parameters that cannot be read are refused, whatever else is in order.
func TestMalformedParameters(t *testing.T) {
	const form, bad = "application/x-www-form-urlencoded", "&%zz"
	w := newWorld(t)
	tk := w.signIn(w.app)
	bearer := "Bearer " + tk.Access
	basic := http.Header{}
	r := &http.Request{Header: basic}
	r.SetBasicAuth(w.app.ClientID, w.app.ClientSecret)
	authorize := strings.TrimPrefix(w.authorizeURL(w.app), w.URL)
	_, query, _ := strings.Cut(authorize, "?")
	refresh, revoke := refreshForm(w.app, tk.Refresh).Encode(), url.Values{"token": {tk.Access}}.Encode()
	consent := func(request, user, decision string) string {
		return url.Values{"request": {request}, "user": {user}, "decision": {decision}}.Encode()
	}
	invalid := `{"reason":"Invalid request","error":"invalid_request"}`
	parameter := `{"code":300,"message":"Invalid parameter`
	noObject := `{"code":300,"message":"Request Body should be a valid JSON object."}`
	for name, tt := range map[string]struct {
		method, path, body string
		headers            []string
		want               string
	}{
		"authorize":        {"GET", authorize + bad, "", nil, "Invalid request (4,700)"},
		"consent, query":   {"POST", "/oauth/consent?%zz", consent(query, "ada", "allow"), []string{"Content-Type", form}, "Invalid request (4,700)"},
		"consent, form":    {"POST", "/oauth/consent", consent(query, "ada", "allow") + bad, []string{"Content-Type", form}, "Invalid request (4,700)"},
		"consent, request": {"POST", "/oauth/consent", consent(query+bad, "ada", "allow"), []string{"Content-Type", form}, "Invalid request (4,700)"},
		"consent, user":    {"POST", "/oauth/consent", consent(query, "eve", "allow"), []string{"Content-Type", form}, "No such user (4,700)"},
		"consent, neither": {"POST", "/oauth/consent", consent(query, "ada", ""), []string{"Content-Type", form}, "Invalid request (4,700)"},
		"consent, cross":   {"POST", "/oauth/consent", consent(query, "ada", "allow"), []string{"Content-Type", form, "Sec-Fetch-Site", "cross-site"}, "Cross-site request (4,700)"},
		"token, query":     {"POST", "/oauth/token?%zz", refresh, []string{"Content-Type", form, "Authorization", basic.Get("Authorization")}, invalid},
		"token, form":      {"POST", "/oauth/token", refresh + bad, []string{"Content-Type", form, "Authorization", basic.Get("Authorization")}, invalid},
		"revoke":           {"POST", "/oauth/revoke?%zz", revoke, []string{"Content-Type", form, "Authorization", basic.Get("Authorization")}, invalid},
		"revoke, twice":    {"POST", "/oauth/revoke", revoke + "&" + revoke, []string{"Content-Type", form, "Authorization", basic.Get("Authorization")}, invalid},
		"token of a user":  {"GET", "/v2/users/me/token?type=zak" + bad, "", []string{"Authorization", bearer}, parameter + `."}`},
		"a type":           {"GET", "/v2/users/me/token?type=tk", "", []string{"Authorization", bearer}, parameter + `: type."}`},
		"a life":           {"GET", "/v2/users/me/token?ttl=99999999999999999999", "", []string{"Authorization", bearer}, parameter + `: ttl."}`},
		"a meeting":        {"GET", "/v2/users/me/token?type=onbehalf&meeting_id=a", "", []string{"Authorization", bearer}, parameter + `: meeting_id."}`},
		"deeplink":         {"POST", "/v2/zoomapp/deeplink?%zz", "{}", []string{"Authorization", bearer, "Content-Type", "application/json"}, noObject},
	} {
		if resp, body := w.ask(tt.method, tt.path, tt.body, tt.headers...); resp.StatusCode != 400 || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
		t.Error("something was done all the same")
	}
	w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
}

func TestMethodsAndPlacesThatThereAreNot(t *testing.T) {
	w := newWorld(t)
	const method = `{"code":405,"message":"Method not allowed."}`
	for _, tt := range []struct {
		method, path string
		status       int
		allow, body  string
	}{
		{"POST", "/oauth/authorize", 405, "GET", method},
		{"GET", "/oauth/consent", 405, "POST", method},
		{"GET", "/oauth/revoke", 405, "POST", method},
		{"POST", "/v2/users/me", 405, "GET", method},
		{"POST", "/logout", 405, "", method},
		{"GET", "/v2/elsewhere", 404, "", `{"code":404,"message":"Not found."}`},
	} {
		resp, body := w.ask(tt.method, tt.path, "")
		if resp.StatusCode != tt.status || resp.Header.Get("Allow") != tt.allow || body != tt.body {
			t.Errorf("%s %s: %d, allow %q: %s", tt.method, tt.path, resp.StatusCode, resp.Header.Get("Allow"), body)
		}
	}
	tk := w.signIn(w.app)
	w.RemoveUser("ada")
	resp, body := w.ask("POST", "/v2/zoomapp/deeplink", "{}", "Authorization", "Bearer "+tk.Access, "Content-Type", "application/json")
	expect(t, resp.StatusCode, body, 404, `{"code":1001,"message":"User not exist."}`)
}

// Who takes a page gets one, whatever else it takes.
func TestRefusalsAsPages(t *testing.T) {
	w := newWorld(t)
	for accept, page := range map[string]bool{"": true, "*/*": true, "text/html": true, "application/json, text/html": true, "application/json": false} {
		resp, _ := w.ask("GET", "/oauth/authorize?client_id="+w.app.ClientID, "", "Accept", accept)
		if got := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"); got != page {
			t.Errorf("%q: a page is %t", accept, got)
		}
	}
}

// A visit ends with what went wrong at either page.
func TestVisitsThatFail(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		fail Call
		url  string
		want string
	}{
		"no URL":                {"", "https://%zz/", "opening the authorization URL: parse"},
		"a refusal":             {"", w.authorizeURL(w.app, "response_type", "token"), "opening the authorization URL: zoom answered 400 Bad Request: Invalid response_type (4,700)"},
		"a refusal in JSON":     {"", w.authorizeURL(w.app, "client_id", "x"), "opening the authorization URL: zoom answered 400 Bad Request: Invalid client_id (4,702)"},
		"no page":               {CallAuthorize, w.authorizeURL(w.app), "opening the authorization URL: zoom answered 503 Service Unavailable: no error page"},
		"no answer to the form": {CallConsent, w.authorizeURL(w.app), "answering the consent page: zoom answered 503 Service Unavailable: no error page"},
	} {
		if tt.fail != "" {
			w.Fail(tt.fail, 1, Status(503, `{"errorCode":0}`))
		}
		if back, err := w.SignIn(t.Context(), tt.url, "ada"); err == nil || !strings.HasPrefix(err.Error(), tt.want) || back != "" {
			t.Errorf("%s: %q, %v", name, back, err)
		}
	}
	w.Fail(CallConsent, 1, Truncated("<html></html>"))
	if _, err := w.Decline(t.Context(), w.authorizeURL(w.app)); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("an answer that breaks off: %v", err)
	}
}
