package zoomtest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRevokeEndsTheGrantButNotItsZAKs(t *testing.T) {
	w := newWorld(t)
	for _, app := range []*App{w.app, w.public} {
		tk := w.signIn(app)
		zak := w.meetingToken(w.get(tk.Access, "/v2/users/me/zak"))
		status, body := w.post("/oauth/revoke", app, url.Values{"token": {tk.Access}, "client_id": {app.ClientID}})
		expect(t, status, body, 200, `{"status":"success"}`)

		status, body = w.get(tk.Access, "/v2/users/me")
		expect(t, status, body, 401, invalidAccessBody)
		status, body = w.post("/oauth/token", app, refreshForm(app, tk.Refresh))
		expect(t, status, body, 400, invalidTokenBody)
		if _, _, ok := w.ValidateZAK(zak); !ok {
			t.Error("the ZAK died")
		}
	}
}

func TestRevokeLeavesOthersAlone(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.post("/oauth/revoke", w.public, url.Values{"token": {tk.Access}, "client_id": {"public"}})
	w.post("/oauth/revoke", w.app, url.Values{"token": {tk.Refresh}})
	w.post("/oauth/revoke", w.app, url.Values{"token": {"nonsense"}})
	if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
		t.Error("revoked by the wrong client or token")
	}
}

func TestRevokeRefuses(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	for name, header := range map[string]string{
		"the oauth2 client's Bearer": "Bearer " + tk.Access, // the Go pitfall
		"a wrong secret":             basic("confidential", "wrong"),
		"no credentials":             "",
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := http.NewRequest(http.MethodPost, w.URL+"/oauth/revoke", strings.NewReader("token="+tk.Access))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			status, body := w.send(r)
			expect(t, status, body, 400, invalidClientBody)
		})
	}
	status, body := w.post("/oauth/revoke?token="+tk.Access, w.app, nil)
	expect(t, status, body, 400, `{"reason":"Invalid request","error":"invalid_request"}`)
	status, _ = w.get("", "/oauth/revoke?token="+tk.Access)
	if status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", status)
	}
	if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
		t.Error("revoked all the same")
	}
}
