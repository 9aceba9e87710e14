package zoomtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

// claimsOf are the claims of a token, without those that differ each time.
func claimsOf(t *testing.T, token string) string {
	t.Helper()
	j, ok := parseJWT(token)
	if !ok {
		t.Fatal(token)
	}
	for name, form := range map[string]string{
		"jti": `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`, "auid": `^[0-9a-f]{32}$`, "code": `^[\w-]{33}$`, "cid": `^[\w-]{12}$`,
	} {
		if text, given := j.claims[name].(string); given && !regexp.MustCompile(form).MatchString(text) {
			t.Errorf("%s is %q", name, text)
		}
		delete(j.claims, name)
	}
	text, err := json.Marshal(j.claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Tokens look as Zoom's do.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.AccessTokenLifetime, w.ZAKLifetime = time.Second, time.Minute
		tk := w.signIn(w.app)
		now := time.Now().Unix()
		oauth := func(kind int, life int64) string {
			return fmt.Sprintf(`{"aid":"zoomtest-account-0001","aud":"https://oauth.zoom.us","exp":%d,"gno":0,"iat":%d,"iss":"zm:cid:confidential",`+
				`"nbf":%[2]d,"tid":0,"type":%[3]d,"uid":"ada","ver":9}`, now+life, now, kind)
		}
		if got, want := claimsOf(t, tk.Access), oauth(0, 1); got != want {
			t.Errorf("access token %s\nwant %s", got, want)
		}
		if got, want := claimsOf(t, tk.Refresh), oauth(1, 90*24*3600); got != want {
			t.Errorf("refresh token %s\nwant %s", got, want)
		}
		if tk.ExpiresIn != 1 {
			t.Errorf("expires in %d s", tk.ExpiresIn)
		}
		want := fmt.Sprintf(`{"aid":"zoomtest-account-0001","aud":"clientsm","clt":0,"exp":%d,"iat":%d,"iss":"web","sk":"0","sty":100,"uid":"ada","wcd":"us06"}`, now+60, now)
		if got := claimsOf(t, w.meetingToken(w.get(tk.Access, "/v2/users/me/zak"))); got != want {
			t.Errorf("ZAK %s\nwant %s", got, want)
		}
		if one := w.AppContext("confidential", AppContext{}); one == w.AppContext("confidential", AppContext{}) {
			t.Error("two app contexts are sealed alike")
		}
		if resp, _ := w.ask("POST", "/oauth/token", codeForm(w.public, w.code(w.public)).Encode(), "Content-Type", "application/x-www-form-urlencoded"); resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d, headers %v", resp.StatusCode, resp.Header)
		}
	})
}

// What is forced on one user's grants for an app leaves others alone.
func TestForcedOnOthers(t *testing.T) {
	w := newWorld(t)
	w.AddUser(User{ID: "bob"})
	for _, force := range []func(){
		func() { w.ExpireAccessTokens("confidential", "bob") }, func() { w.ExpireAccessTokens("public", "ada") },
		func() { w.RevokeAccessTokens("confidential", "bob") }, func() { w.RevokeAccessTokens("public", "ada") },
		func() { w.RevokeRefreshTokens("confidential", "bob") }, func() { w.RevokeRefreshTokens("public", "ada") },
		func() { w.RevokeUser("confidential", "bob") }, func() { w.RevokeUser("public", "ada") },
	} {
		tk := w.signIn(w.app)
		force()
		if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
			t.Error("the access token died")
		}
		w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
	}
}

// Of several sign-ins each lives and ends for itself.
func TestSignInsBesideEachOther(t *testing.T) {
	w := newWorld(t)
	w.KeepOlderSignIns, w.RefreshEndsAccessToken = true, true
	first, second := w.signIn(w.app), w.signIn(w.app)
	second = w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, second.Refresh)))
	if _, _, ok := w.ValidateAccessToken(first.Access); !ok {
		t.Error("a refresh ended the other sign-in's access token")
	}
	if status, body := w.post("/oauth/revoke", w.app, map[string][]string{"token": {first.Access}}); status != 200 {
		t.Fatal(body)
	}
	if got := w.RefreshTokens("confidential", "ada"); len(got) != 1 || got[0] != second.Refresh {
		t.Errorf("left are %d refresh tokens", len(got))
	}
}
