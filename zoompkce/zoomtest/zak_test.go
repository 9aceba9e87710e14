package zoomtest

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
		"?type=zak&ttl=1":                      time.Second,
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
	if status, body := w.get(tk.Access, "/v2/users/ada/token?type=zak"); status != 200 {
		t.Errorf("by one's own id: %d %s", status, body)
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
