package zoomtest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefreshRotates(t *testing.T) {
	w := newWorld(t)
	for _, app := range []*App{w.app, w.public} {
		old := w.signIn(app)
		fresh := w.tokens(w.post("/oauth/token", app, refreshForm(app, old.Refresh)))
		if fresh.Refresh == old.Refresh || fresh.Access == old.Access || fresh.Scope != old.Scope {
			t.Error("nothing rotated")
		}
		status, body := w.post("/oauth/token", app, refreshForm(app, old.Refresh))
		expect(t, status, body, 400, invalidTokenBody)

		// The replay ended nothing, and the old access token has its hour.
		w.tokens(w.post("/oauth/token", app, refreshForm(app, fresh.Refresh)))
		if _, _, ok := w.ValidateAccessToken(old.Access); !ok {
			t.Error("the old access token died with the refresh")
		}
	}
}

func TestRefreshTokens(t *testing.T) {
	w := newWorld(t)
	left := func(want ...string) {
		t.Helper()
		if got := w.RefreshTokens("confidential", "ada"); !slices.Equal(got, want) {
			t.Errorf("%d tokens left, want %d", len(got), len(want))
		}
	}
	left()
	first := w.signIn(w.app)
	left(first.Refresh)
	second := w.signIn(w.app)
	left(second.Refresh)
	second = w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, second.Refresh)))
	left(second.Refresh)
	w.KeepOlderSignIns = true
	third := w.signIn(w.app)
	left(second.Refresh, third.Refresh)
	w.RevokeRefreshTokens("confidential", "ada")
	left()

	fourth := w.signIn(w.app)
	w.FailAfter(CallRefresh, 1, Status(502, ""))
	w.post("/oauth/token", w.app, refreshForm(w.app, fourth.Refresh))
	if got := w.RefreshTokens("confidential", "ada"); len(got) != 1 || got[0] == fourth.Refresh {
		t.Error("a lost answer changed nothing")
	}
}

func TestRefreshEndsAccessToken(t *testing.T) {
	w := newWorld(t)
	w.RefreshEndsAccessToken = true
	old := w.signIn(w.app)
	fresh := w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, old.Refresh)))
	status, body := w.get(old.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
	if _, _, ok := w.ValidateAccessToken(fresh.Access); !ok {
		t.Error("the new access token is dead")
	}
}

func TestRefreshRefuses(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	for name, token := range map[string]string{
		"an access token":   tk.Access,
		"a made-up token":   "nonsense",
		"an empty token":    "",
		"a truncated token": tk.Refresh[:len(tk.Refresh)-1],
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.post("/oauth/token", w.app, refreshForm(w.app, token))
			expect(t, status, body, 400, invalidTokenBody)
		})
	}
	status, body := w.post("/oauth/token", w.public, refreshForm(w.public, tk.Refresh))
	expect(t, status, body, 400, invalidTokenBody) // another client's
	w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
}

func TestDeadRefreshTokensInOtherWords(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		status int
		code   string
		want   string
	}{
		{400, "invalid_request", `{"reason":"Invalid Token!","error":"invalid_request"}`},
		{401, "invalid_request", `{"reason":"Invalid Token!","error":"invalid_request"}`},
		{401, "", `{"reason":"Invalid Token!"}`},
		{400, "invalid_grant", invalidTokenBody},
	} {
		w.RefuseRefreshesWith(tc.status, tc.code)
		tk := w.signIn(w.app)
		old := tk.Refresh
		w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, old))) // good ones are taken
		status, body := w.post("/oauth/token", w.app, refreshForm(w.app, old))
		expect(t, status, body, tc.status, tc.want)
	}
}

func TestLaterSignInEndsTheEarlier(t *testing.T) {
	w := newWorld(t)
	other := w.signIn(w.public)
	old, fresh := w.signIn(w.app), w.signIn(w.app)

	status, body := w.get(old.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
	status, body = w.post("/oauth/token", w.app, refreshForm(w.app, old.Refresh))
	expect(t, status, body, 400, invalidTokenBody)
	for _, live := range []string{fresh.Access, other.Access} {
		if _, _, ok := w.ValidateAccessToken(live); !ok {
			t.Error("the wrong tokens died")
		}
	}
}

func TestKeepOlderSignIns(t *testing.T) {
	w := newWorld(t)
	w.KeepOlderSignIns = true
	old := w.signIn(w.app)
	w.signIn(w.app)
	w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, old.Refresh)))
}

func TestScopesOfGrantsStay(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.SetScopes(w.app.ClientID, append(DefaultScopes(), "meeting:read:meeting")...)
	tk = w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
	if strings.Contains(tk.Scope, "meeting") {
		t.Error("a refresh upgraded the scopes")
	}
	w.RemoveScope(w.app.ClientID, "user:read:zak")
	if status, _ := w.get(tk.Access, "/v2/users/me/zak"); status != 200 {
		t.Error("the access token lost a scope")
	}
	status, body := w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	expect(t, status, body, 400, invalidTokenBody)
}

func TestForcedStates(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	refresh := func() (int, string) { return w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)) }

	w.ExpireAccessTokens(w.app.ClientID, "ada")
	status, body := w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 401, expiredAccessBody)
	tk = w.tokens(refresh())

	w.RevokeAccessTokens(w.app.ClientID, "ada")
	status, body = w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
	tk = w.tokens(refresh())

	w.RevokeRefreshTokens(w.app.ClientID, "ada")
	if _, _, ok := w.ValidateAccessToken(tk.Access); !ok {
		t.Error("the access token died with the refresh token")
	}
	status, body = refresh()
	expect(t, status, body, 400, invalidTokenBody)

	tk = w.signIn(w.app)
	w.RevokeUser(w.app.ClientID, "ada")
	status, body = w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
	status, body = refresh()
	expect(t, status, body, 400, invalidTokenBody)
}

func TestLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code := w.code(w.app)
		time.Sleep(5*time.Minute - time.Second)
		w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, code)))

		code = w.code(w.app)
		time.Sleep(5 * time.Minute)
		status, body := w.post("/oauth/token", w.app, codeForm(w.app, code))
		expect(t, status, body, 400, invalidCodeBody(code))

		tk := w.signIn(w.app)
		time.Sleep(time.Hour - time.Second)
		if status, _ := w.get(tk.Access, "/v2/users/me"); status != 200 {
			t.Error("the access token died early")
		}
		time.Sleep(time.Second)
		status, body = w.get(tk.Access, "/v2/users/me")
		expect(t, status, body, 401, expiredAccessBody)

		tk = w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
		time.Sleep(90 * 24 * time.Hour)
		status, body = w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
		expect(t, status, body, 400, invalidTokenBody)
	})
}

func TestAdvanceAndShortLifetime(t *testing.T) {
	w := newWorld(t)
	w.AccessTokenLifetime = 5 * time.Second
	tk := w.signIn(w.app)
	if tk.ExpiresIn != 4 {
		t.Errorf("expires_in %d", tk.ExpiresIn)
	}
	before := w.Now()
	w.Advance(5 * time.Second)
	if d := w.Now().Sub(before); d < 5*time.Second || d > time.Minute {
		t.Errorf("the clock moved by %v", d)
	}
	status, body := w.get(tk.Access, "/v2/users/me")
	expect(t, status, body, 401, expiredAccessBody)
}

func TestShelvesForgetWhatExpiredLongAgo(t *testing.T) {
	w := newWorld(t)
	w.code(w.app)
	w.Advance(5*time.Minute + keepExpired + time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 4096 {
		w.issueCode(code{clientID: w.app.ClientID, userID: "ada"})
	}
	if n := len(w.codes.items); n != 4096 {
		t.Errorf("%d codes kept", n)
	}
}
