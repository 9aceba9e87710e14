package zoomtest

import (
	"encoding/base64"
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
	for _, path := range []string{
		"/v2/users/grace", "/v2/users/grace/token?type=zak", "/v2/users/grace/zak", "/v2/users/ada/zak",
	} {
		if status, body := w.get(tk.Access, path); status != 400 || !strings.Contains(body, `"code":4711`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
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

func TestZAK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tk := w.signIn(w.app)
		first := w.meetingToken(w.get(tk.Access, "/v2/users/me/zak"))
		if len(first) < 330 || len(first) > 400 {
			t.Errorf("a ZAK of %d bytes", len(first))
		}
		if d := lifetimeClaim(t, first); d != 5*time.Minute {
			t.Errorf("claims a life of %v", d)
		}
		fetched := time.Now()
		time.Sleep(time.Minute)
		second := w.meetingToken(w.get(tk.Access, "/v2/users/me/zak"))
		user, at, ok := w.ValidateZAK(first)
		if first == second || user != "ada" || !at.Equal(fetched) || !ok {
			t.Errorf("first ZAK: %s, %v, %v", user, at, ok)
		}
		time.Sleep(4 * time.Minute)
		if _, _, ok := w.ValidateZAK(first); ok {
			t.Error("outlived its five minutes")
		}
		w.SignOutEverywhere("ada")
		if _, _, ok := w.ValidateZAK(second); ok {
			t.Error("outlived signing out of all devices")
		}
		if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
			t.Error("the access token died with the ZAKs")
		}
	})
}

func TestUserToken(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	for query, want := range map[string]time.Duration{
		"?type=zak":                            2 * time.Hour,
		"?type=zak&ttl=60":                     time.Minute,
		"?type=zak&ttl=31536000":               365 * 24 * time.Hour,
		"?type=onbehalf":                       2 * time.Hour,
		"?type=onbehalf&meeting_id=1234567890": 2 * time.Hour,
		"?type=token":                          14 * 24 * time.Hour,
		"":                                     14 * 24 * time.Hour,
	} {
		token := w.meetingToken(w.get(tk.Access, "/v2/users/me/token"+query))
		if d := lifetimeClaim(t, token); d != want {
			t.Errorf("%s claims a life of %v", query, d)
		}
		_, _, isZAK := w.ValidateZAK(token)
		user, meeting, isOBF := w.ValidateOBF(token)
		if isZAK != strings.Contains(query, "zak") || isOBF != strings.Contains(query, "onbehalf") {
			t.Errorf("%s made a ZAK: %v, an OBF token: %v", query, isZAK, isOBF)
		}
		if strings.Contains(query, "meeting_id") && (user != "ada" || meeting != "1234567890") {
			t.Errorf("OBF token of %s for %q", user, meeting)
		}
	}
	for _, query := range []string{
		"?type=tk", "?type=obf", "?type=zak&ttl=0", "?type=zak&ttl=31536001", "?type=zak&ttl=1h", "?type=zak&ttl=",
		"?type=onbehalf&meeting_id=12a", "?type=onbehalf&meeting_id=", "?type=zak&type=zak",
	} {
		if status, body := w.get(tk.Access, "/v2/users/me/token"+query); status != 400 {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

func TestOBFIsSingleUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tk := w.signIn(w.app)
		fetch := func(query string) string {
			return w.meetingToken(w.get(tk.Access, "/v2/users/me/token?type=onbehalf"+query))
		}
		bound, free, other := fetch("&meeting_id=1234567890"), fetch(""), fetch("&meeting_id=1234567890")
		if _, ok := w.UseOBF(bound, "9999999999"); ok {
			t.Error("good for another meeting")
		}
		for _, obf := range []string{bound, free} {
			if user, ok := w.UseOBF(obf, "1234567890"); !ok || user != "ada" {
				t.Errorf("refused, or of %q", user)
			}
			if _, ok := w.UseOBF(obf, "1234567890"); ok {
				t.Error("used twice")
			}
			if _, _, ok := w.ValidateOBF(obf); ok {
				t.Error("still valid")
			}
		}
		if _, _, ok := w.ValidateOBF(other); !ok {
			t.Error("another token was used up")
		}
		time.Sleep(2 * time.Hour)
		if _, ok := w.UseOBF(other, "1234567890"); ok {
			t.Error("outlived its two hours")
		}
		zak := w.meetingToken(w.get(w.signIn(w.app).Access, "/v2/users/me/zak"))
		if _, ok := w.UseOBF(zak, "1234567890"); ok {
			t.Error("took a ZAK")
		}
	})
}

func lifetimeClaim(t *testing.T, token string) time.Duration {
	t.Helper()
	part, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct{ Iat, Exp int64 }
	if err != nil || json.Unmarshal(part, &claims) != nil {
		t.Fatalf("claims %s, %v", part, err)
	}
	return time.Duration(claims.Exp-claims.Iat) * time.Second
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
