package zoomtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (w *world) meetingToken(status int, body string) string {
	w.t.Helper()
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || answer.Token == "" {
		w.t.Fatalf("no token: %d %s", status, body)
	}
	return answer.Token
}

func TestMe(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	want := `{"account_id":"zoomtest-account-0001","display_name":"Ada Lovelace","email":"ada@example.com",` +
		`"first_name":"Ada","id":"ada","last_name":"Lovelace","type":1,"verified":1}`
	for _, path := range []string{"/v2/users/me", "/v2/users/ada"} {
		status, body := w.get(tk.Access, path)
		expect(t, status, body, 200, want)
	}
	w.AddUser(User{ID: "ada", Extra: map[string]any{"verified": nil, "account_id": nil, "pronouns": "she"}})
	status, body := w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 200, `{"id":"ada","pronouns":"she","type":1}`)
}

func TestAPIRefusesOtherTokens(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	for name, header := range map[string]string{
		"none":            "",
		"nonsense":        "Bearer nonsense",
		"refresh token":   "Bearer " + tk.Refresh,
		"Basic":           basic("confidential", "s3cret"),
		"no scheme":       tk.Access,
		"tampered":        "Bearer " + tk.Access + "x",
		"another scheme":  "Token " + tk.Access,
		"two spaces":      "Bearer  " + tk.Access,
		"a trailing part": "Bearer " + tk.Access + " x",
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := http.NewRequest(http.MethodGet, w.URL+"/v2/users/me", nil)
			r.Header.Set("Authorization", header)
			status, body := w.send(r)
			expect(t, status, body, 401, invalidAccessBody)
		})
	}
	for _, token := range []string{"", tk.Access} {
		status, body := w.get(token, "/v2/users/me?access_token="+tk.Access)
		expect(t, status, body, 401, invalidAccessBody)
	}
	r, _ := http.NewRequest(http.MethodGet, w.URL+"/v2/users/me", nil)
	r.Header["Authorization"] = []string{"Bearer " + tk.Access, "Bearer " + tk.Access}
	status, body := w.send(r)
	expect(t, status, body, 401, invalidAccessBody)
}

func TestScopes(t *testing.T) {
	w := newWorld(t)
	missing := func(scope string) string {
		return `{"code":4711,"message":"Invalid access token, does not contain scopes:[` + scope + `]."}`
	}
	for _, tc := range []struct {
		path, scope string
		also        []string // other scopes that open it
	}{
		{"/v2/users/me", "user:read:user", []string{"user:read", "user_info:read"}},
		{"/v2/users/me/zak", "user:read:zak", []string{"user_zak:read"}},
		{"/v2/users/me/token?type=zak", "user:read:token", []string{"user:read"}},
		{"/v2/users/me/token?type=onbehalf", "user:read:token", []string{"user:read"}},
	} {
		for _, scope := range append([]string{tc.scope}, tc.also...) {
			w.SetScopes(w.app.ClientID, scope)
			if status, body := w.get(w.signIn(w.app).Access, tc.path); status != 200 {
				t.Errorf("%s with %s: %d %s", tc.path, scope, status, body)
			}
		}
		var others []string
		for _, scope := range DefaultScopes() {
			if scope != tc.scope {
				others = append(others, scope)
			}
		}
		w.SetScopes(w.app.ClientID, others...)
		status, body := w.get(w.signIn(w.app).Access, tc.path)
		expect(t, status, body, 400, missing(tc.scope))
	}
}

func TestOtherUsersAreOutOfReach(t *testing.T) {
	w := newWorld(t)
	w.AddUser(User{ID: "grace"})
	tk := w.signIn(w.app)
	for path, scope := range map[string]string{
		"/v2/users/grace": "user:read:user:admin", "/v2/users/grace/token?type=zak": "user:read:token:admin",
		"/v2/users/grace/zak": "user:read:zak:admin", "/v2/users/ada/zak": "user:read:zak:admin",
	} {
		status, body := w.get(tk.Access, path)
		expect(t, status, body, 400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[`+scope+`]."}`)
	}
}

func TestDeletedUser(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.RemoveUser("ada")
	gone := `{"code":1001,"message":"User not exist."}`
	status, body := w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 404, gone)
	status, body = w.get(tk.Access, "/v2/users/me/zak")
	expect(t, status, body, 400, gone)
	status, body = w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	expect(t, status, body, 400, invalidTokenBody)
}

func TestAnswersCarryTrackingIDAndJSON(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v2/users/me", "/v2/nothing", "/oauth/token", "/oauth/revoke"} {
		resp, err := w.Client().Get(w.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Header.Get("X-Zm-Trackingid") == "" ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.signIn(w.app), w.signIn(w.public)
		w.RateLimit(2, 3)
		ask := func(token string) *http.Response {
			r, _ := http.NewRequest(http.MethodGet, w.URL+"/v2/users/me/zak", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := w.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp
		}
		if ask(one.Access).StatusCode != 200 || ask(two.Access).StatusCode != 200 {
			t.Fatal("refused too early")
		}
		resp := ask(one.Access) // apps share the account's limit
		if resp.StatusCode != 429 || resp.Header.Get("X-RateLimit-Type") != "QPS" || resp.Header.Get("Retry-After") != "" {
			t.Errorf("per second: %d %v", resp.StatusCode, resp.Header)
		}
		time.Sleep(time.Second)
		if ask(one.Access).StatusCode != 200 {
			t.Error("the second is not over")
		}
		resp = ask(one.Access)
		retry, err := time.Parse(time.RFC3339, resp.Header.Get("Retry-After"))
		if resp.StatusCode != 429 || resp.Header.Get("X-RateLimit-Type") != "Daily-limit" || err != nil {
			t.Fatalf("per day: %d %v", resp.StatusCode, resp.Header)
		}
		w.RateLimit(0, 0)
		if ask(one.Access).StatusCode != 200 {
			t.Error("unlimited is limited")
		}
		w.RateLimit(0, 1)
		ask(one.Access)
		tk := w.signIn(w.app)
		time.Sleep(time.Until(retry))
		tk = w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
		if ask(tk.Access).StatusCode != 200 {
			t.Error("the day is not over")
		}
	})
}

// Each limit counts where the other is none, and says what it is.
func TestLimitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limits, want := range map[[2]int]map[string]string{
			{1, 0}: {"X-Ratelimit-Type": "QPS", "X-Ratelimit-Limit": "1", "X-Ratelimit-Reset": "946684801", "Retry-After": ""},
			{0, 1}: {"X-Ratelimit-Type": "Daily-limit", "X-Ratelimit-Limit": "1", "X-Ratelimit-Reset": "", "Retry-After": "2000-01-02T00:00:00Z"},
		} {
			w := newWorld(t)
			bearer := "Bearer " + w.signIn(w.app).Access
			w.RateLimit(limits[0], limits[1])
			if resp, body := w.ask("GET", "/v2/users/me", "", "Authorization", bearer); resp.StatusCode != 200 {
				t.Errorf("%v: %s", limits, body)
			}
			want["X-Ratelimit-Remaining"], want["X-Ratelimit-Category"] = "0", "Light"
			resp, body := w.ask("GET", "/v2/users/me", "", "Authorization", bearer)
			for name, value := range want {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%v: %s is %q, want %q", limits, name, got, value)
				}
			}
			if !strings.HasPrefix(body, `{"code":429,`) {
				t.Errorf("%v: %s", limits, body)
			}
		}
	})
}
