package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Operators see programs and end them, and nothing secret.
func TestOperatorsSeePrograms(t *testing.T) {
	w := newWorld(t)
	config, admin := w.withAdmin(w.site(programOptions))
	w.load(config)
	p := w.program().signedInBy(w.signedIn("user-ada"))
	p.takeTokens(p.refreshed())
	p.wantUser("user-ada")

	user, operator := userURL(admin, testClientID, "user-ada"), w.operator()
	a := operator.admin(http.MethodGet, user)
	var status zoompkce.UserStatus
	if err := json.Unmarshal([]byte(a.body), &status); err != nil || len(status.Programs) != 1 || status.Programs[0].Name != "cli" ||
		!strings.HasPrefix(status.Programs[0].Redirect, "127.0.0.1:") {
		t.Errorf("%v: %s", err, a.body)
	}
	if a := operator.admin(http.MethodDelete, user); a.StatusCode != http.StatusNoContent {
		t.Errorf("ending: %d", a.StatusCode)
	}
	p.wantDead()
	metrics := operator.admin(http.MethodGet, admin+"/metrics").body
	for _, outcome := range []string{"allowed", "refreshed", "rejected_ended", "code_replayed"} {
		if !strings.Contains(metrics, `caddy_zoom_pkce_programs_total{outcome="`+outcome+`"}`) {
			t.Errorf("no series for %s", outcome)
		}
	}
	if lines := w.logLines("a program may use the site in a user's name"); len(lines) != 1 || lines[0]["program"] != "cli" || lines[0]["user_id"] != "user-ada" {
		t.Errorf("logged %v", lines)
	}
	for _, secret := range []string{p.access, p.refresh} {
		if strings.Contains(w.logged(), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestEventsOfPrograms(t *testing.T) {
	w := newWorld(t)
	recordEvents(t, nil)
	w.loadWithEvents(programOptions)
	p := w.program().signedInBy(w.signedIn("user-ada"))
	data := awaitEvent(t, "zoom_pkce.program_allowed")
	if data["user_id"] != "user-ada" || data["client_id"] != testClientID || data["program"] != "cli" {
		t.Errorf("%v", data)
	}
	p.post("oauth/revoke", map[string][]string{"token": {p.access}, "client_id": {"cli"}})
	if data := awaitEvent(t, "zoom_pkce.program_ended"); data["program"] != "cli" || data["outcome"] != "revoked" {
		t.Errorf("%v", data)
	}
}
