package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Matching in place leaves the request as it was.
func TestMatchEitherRestores(t *testing.T) {
	r := httptest.NewRequest("PUT", "/sent?a=1", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery = "GET", "/rewritten", "/rewritten", ""
	target := r.URL
	var seen []string
	match, err := matchEither(caddyhttp.MatcherSets{{matcherFunc(func(r *http.Request) bool {
		seen = append(seen, r.Method+" "+r.RequestURI+" "+r.URL.String())
		return false
	})}}, r)
	if want := []string{"GET /rewritten /rewritten", "PUT /sent?a=1 /sent?a=1"}; match || err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v, %v: matched against %q, want %q", match, err, seen, want)
	}
	if got := r.Method + " " + r.RequestURI + " " + r.URL.String(); got != "GET /rewritten /rewritten" || r.URL != target {
		t.Errorf("left as %s", got)
	}
}

type matcherFunc func(*http.Request) bool

func (f matcherFunc) MatchWithError(r *http.Request) (bool, error) { return f(r), nil }
