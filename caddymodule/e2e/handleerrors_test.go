package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// The pages of one's own that the README shows are those of our refusals, with
// the request id that our log has, and leave the errors of others alone.
func TestHandleErrorsOfREADME(t *testing.T) {
	w := newWorld(t)
	text := snippetWith(t, "handle_errors")
	w.load(w.documented(t, text, "", "allow {\nuser_id user-ada\n}"))

	b := w.browser()
	if a := b.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(a.body, "sign_in_required, request ") {
		t.Errorf("no session: got %d %q", a.StatusCode, a.body)
	}
	a := b.open("/zoom_pkce/callback?error=access_denied")
	if a.StatusCode != http.StatusForbidden || !strings.HasPrefix(a.body, "declined, request ") {
		t.Errorf("declined: got %d %q", a.StatusCode, a.body)
	}
	lines := w.logLines("refused a request")
	if len(lines) == 0 {
		t.Fatal("no refusal was logged")
	}
	if id, _ := lines[len(lines)-1]["request_id"].(string); id == "" || !strings.HasSuffix(a.body, " "+id) {
		t.Errorf("the log has request id %q, the page says %q", id, a.body)
	}

	other := w.browser()
	other.consentAndReturn("/", "user-bob")
	if a := other.open("/"); a.StatusCode != http.StatusForbidden || a.body != "Ask your administrator for access." {
		t.Errorf("not allowed: got %d %q", a.StatusCode, a.body)
	}

	b.signIn("/", "user-ada")
	w.load(w.documented(t, text, "reverse_proxy 127.0.0.1:"+testkit.FreePort(t)))
	if a := b.open("/"); a.StatusCode != http.StatusBadGateway || a.body != "502 Bad Gateway" {
		t.Errorf("the app is down: got %d %q", a.StatusCode, a.body)
	}
}
