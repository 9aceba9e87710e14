package zoomtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// event is what arrives at a webhook.
type event struct {
	To      string
	Event   string
	Payload struct {
		AccountID string `json:"account_id"`
		UserID    string `json:"user_id"`
		ClientID  string `json:"client_id"`
		Object    struct{ ID string }
	}
}

// eventWorld has an app whose webhook keeps the last event.
func eventWorld(t *testing.T) (*world, *event) {
	got := new(event)
	return webhookWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		*got = event{To: r.Host + r.URL.Path}
		if err := json.NewDecoder(r.Body).Decode(got); err != nil {
			t.Error(err)
		}
		rw.WriteHeader(http.StatusAccepted)
	}), got
}

func TestDeauthorizationsHaveAnAddressOfTheirOwn(t *testing.T) {
	w, got := eventWorld(t)
	if _, err := w.Deauthorize(t.Context(), "hooked", "ada"); err != nil || got.To != "app.example/webhook" || got.Payload.ClientID != "hooked" {
		t.Errorf("event %+v, %v", got, err)
	}
	app := *w.app
	app.DeauthorizationURL, app.EventClientID = "https://app.example/deauthorized", "its-public-id"
	w.AddApp(app)
	if _, err := w.Deauthorize(t.Context(), "hooked", "ada"); err != nil || got.To != "app.example/deauthorized" || got.Payload.ClientID != "its-public-id" {
		t.Errorf("event %+v, %v", got, err)
	}
	if _, err := w.Webhook(t.Context(), "hooked", "meeting.started", nil); err != nil || got.To != "app.example/webhook" {
		t.Errorf("event %+v, %v", got, err)
	}
	for _, ids := range [][2]string{{"nobody", "ada"}, {"hooked", "nobody"}} {
		if _, err := w.Deauthorize(t.Context(), ids[0], ids[1]); err == nil {
			t.Errorf("%v: no error", ids)
		}
	}
}

func TestDeactivateUser(t *testing.T) {
	w, got := eventWorld(t)
	hooked, public := w.signIn(w.app), w.signIn(w.public)
	w.user = w.AddUser(User{ID: "grace"})
	grace := w.signIn(w.app)
	resp, err := w.DeactivateUser(t.Context(), "hooked", "ada")
	if err != nil || resp.StatusCode != http.StatusAccepted || got.Event != "user.deactivated" ||
		got.Payload.Object.ID != "ada" || got.Payload.AccountID == "" || got.Payload.ClientID != "" {
		t.Errorf("event %+v, %v", got, err)
	}
	for _, tk := range []tokens{hooked, public} {
		status, body := w.get(tk.Access, "/v2/users/me")
		expect(t, status, body, 401, invalidAccessBody)
	}
	if status, _ := w.get(grace.Access, "/v2/users/me"); status != 200 {
		t.Error("somebody else's token ended")
	}
	if _, err := w.DeactivateUser(t.Context(), "hooked", "nobody"); err == nil {
		t.Error("deactivated nobody")
	}
}

func TestDeleteUser(t *testing.T) {
	w, got := eventWorld(t)
	tk := w.signIn(w.app)
	if _, err := w.DeleteUser(t.Context(), "hooked", "ada"); err != nil || got.Event != "user.deleted" || got.Payload.Object.ID != "ada" {
		t.Errorf("event %+v, %v", got, err)
	}
	if status, _ := w.get(tk.Access, "/v2/users/me"); status != 404 {
		t.Errorf("users/me: %d", status)
	}
	if _, err := w.DeleteUser(t.Context(), "hooked", "ada"); err == nil {
		t.Error("deleted twice")
	}
}

func TestCompleteRecording(t *testing.T) {
	var raw map[string]any
	w := webhookWorld(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&raw)
	})
	ada := w.signIn(w.app)
	if _, err := w.CompleteRecording(t.Context(), "hooked", Recording{HostID: "ada", Topic: "Engines", Content: []byte("film")}); err != nil {
		t.Fatal(err)
	}
	object := raw["payload"].(map[string]any)["object"].(map[string]any)
	file := object["recording_files"].([]any)[0].(map[string]any)
	address, _ := file["download_url"].(string)
	path, ok := strings.CutPrefix(address, w.URL)
	if !ok || object["host_id"] != "ada" || object["topic"] != "Engines" || object["id"] != 85746065.0 || object["type"] != 2.0 || object["recording_count"] != 1.0 || file["file_size"] != 4.0 || raw["download_token"] != nil {
		t.Fatalf("event %v", raw)
	}

	uuid, _ := object["uuid"].(string)
	if id, err := base64.URLEncoding.DecodeString(uuid); err != nil || len(id) != 16 || file["meeting_id"] != uuid {
		t.Errorf("uuid %q", uuid)
	}
	start, _ := time.Parse(time.RFC3339, file["recording_start"].(string))
	end, _ := time.Parse(time.RFC3339, file["recording_end"].(string))
	if minutes := end.Sub(start).Minutes(); minutes < 1 || object["duration"] != minutes {
		t.Errorf("%v minutes from %v to %v", object["duration"], start, end)
	}

	status, body := w.get(ada.Access, path)
	expect(t, status, body, 200, "film")
	for _, refused := range []string{"", "nonsense", ada.Refresh} {
		status, body := w.get(refused, path)
		expect(t, status, body, 401, invalidAccessBody)
	}
	status, body = w.get("", path+"?access_token="+ada.Access)
	expect(t, status, body, 401, invalidAccessBody)
	missing := `{"code":3301,"message":"This recording does not exist."}`
	status, body = w.get(ada.Access, path+"x")
	expect(t, status, body, 404, missing)
	w.user = w.AddUser(User{ID: "grace"})
	status, body = w.get(w.signIn(w.app).Access, path)
	expect(t, status, body, 404, missing)
	if w.Count(CallDownload) != 7 || w.CountUser(CallDownload, "ada") != 2 {
		t.Errorf("%d downloads", w.Count(CallDownload))
	}
	w.ExpireAccessTokens("hooked", "ada")
	status, body = w.get(ada.Access, path)
	expect(t, status, body, 401, expiredAccessBody)
	if _, err := w.CompleteRecording(t.Context(), "hooked", Recording{HostID: "nobody"}); err == nil {
		t.Error("nobody's recording")
	}
}

func TestDeauthorize(t *testing.T) {
	var event struct {
		Event   string
		Payload map[string]string
	}
	w := webhookWorld(t, func(_ http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&event)
	})
	tk := w.signIn(w.app)
	zak := w.meetingToken(w.get(tk.Access, "/v2/users/me/zak"))
	if _, err := w.Deauthorize(t.Context(), "hooked", "ada"); err != nil {
		t.Fatal(err)
	}
	p := event.Payload
	if event.Event != "app_deauthorized" || p["user_id"] != "ada" || p["client_id"] != "hooked" ||
		p["account_id"] != w.user.AccountID || p["signature"] == "" || len(p) != 5 {
		t.Errorf("event %+v", event)
	}
	if _, err := time.Parse(time.RFC3339, p["deauthorization_time"]); err != nil {
		t.Error(err)
	}
	status, body := w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
	status, body = w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	expect(t, status, body, 400, invalidTokenBody)
	if _, _, ok := w.ValidateZAK(zak); !ok {
		t.Error("the ZAK died")
	}
	w.signIn(w.app) // the user may come back
}

func TestValidateWebhookURL(t *testing.T) {
	correct := func(token string) string {
		return fmt.Sprintf(`{"plainToken":%q,"encryptedToken":%q}`, token, hmacHex("whsec", token))
	}
	for name, tc := range map[string]struct {
		status int
		answer func(token string) string
		ok     bool
	}{
		"correct":        {200, correct, true},
		"another status": {201, correct, false},
		"not JSON":       {200, func(string) string { return "ok" }, false},
		"another token":  {200, func(string) string { return correct("other") }, false},
		"another plain token": {200, func(token string) string {
			return strings.Replace(correct(token), token, "other", 1)
		}, false},
		"wrong key": {200, func(token string) string {
			return strings.ReplaceAll(correct(token), hmacHex("whsec", token), hmacHex("wrong", token))
		}, false},
		"nothing at all":  {200, func(string) string { return "{}" }, false},
		"trouble in hand": {503, correct, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhookWorld(t, func(rw http.ResponseWriter, r *http.Request) {
				var event struct {
					Event   string
					Payload struct{ PlainToken string }
				}
				if err := json.NewDecoder(r.Body).Decode(&event); err != nil || event.Event != "endpoint.url_validation" {
					t.Errorf("event %+v, %v", event, err)
				}
				rw.WriteHeader(tc.status)
				_, _ = io.WriteString(rw, tc.answer(event.Payload.PlainToken))
			})
			if err := w.ValidateWebhookURL(t.Context(), "hooked"); (err == nil) != tc.ok {
				t.Errorf("validated with %v", err)
			}
		})
	}
}
