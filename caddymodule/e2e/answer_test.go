package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// received is what the upstream got, as the answer tells.
func (a answer) received(t testing.TB) received {
	t.Helper()
	var got received
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("status %d, not the upstream's answer: %v\n%s", a.StatusCode, err, a.body)
	}
	return got
}

// problemJSON is an answer of the directive to a program (RFC 9457).
type problemJSON struct {
	Type, Title, Detail, Code string
	Status                    int
	RequestID                 string `json:"request_id"`
	LoginURL                  string `json:"login_url"`
}

// statusOf is the HTTP status of each code, as the contract has it.
var statusOf = map[string]int{
	"sign_in_required": 401, "not_allowed": 403, "declined": 403, "cross_site": 403,
	"bad_callback": 400, "login_expired": 400, "cookies_missing": 400, "bad_request": 400, "bad_client": 400,
	"not_found": 404, "method_not_allowed": 405, "too_many_logins": 429,
	"code_refused": 502, "zoom_misconfigured": 502, "missing_scope": 502, "zoom_nonsense": 502,
	"zoom_unavailable": 503, "zoom_rate_limited": 503, "zak_unavailable": 503, "store_unavailable": 503,
}

// problem is what an answer of problem+json says.
func (a answer) problem(t testing.TB) (p problemJSON) {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d with content type %q, want problem+json\n%s", a.StatusCode, got, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// wantRedirect checks that an answer leads to a place.
func wantRedirect(t *testing.T, a answer, location string) {
	t.Helper()
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != location {
		t.Errorf("got %d to %q, want 303 to %q\n%s", a.StatusCode, got, location, a.body)
	}
}

// wantRefusal checks the page of a refusal and its code.
func wantRefusal(t *testing.T, a answer, code string) {
	t.Helper()
	if a.StatusCode != statusOf[code] || !strings.Contains(a.body, "<code>"+code+"</code>") {
		t.Errorf("got %d, want %d with code %s\n%s", a.StatusCode, statusOf[code], code, a.body)
	}
}

func stateOf(t testing.TB, a answer) string {
	t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.Query().Get("state") == "" {
		t.Fatalf("%d to %q has no state", a.StatusCode, a.Header.Get("Location"))
	}
	return u.Query().Get("state")
}
