package zoomapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func accessJWT(claims string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"HS512"}`)) + "." + enc.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestMe(t *testing.T) {
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.String() != "/v2/users/me" || r.Header.Get("Authorization") != "Bearer the-access" {
			t.Errorf("%s %s, %q", r.Method, r.URL, r.Header)
		}
		reply(200, `{"id":"u1","account_id":"a1","email":"ann@example.com","verified":1,"display_name":"Ann Ö."}`)(w, r)
	})
	got, err := c.Me(t.Context(), Token{AccessToken: "the-access"})
	if want := (Profile{ID: "u1", AccountID: "a1", Email: "ann@example.com", Name: "Ann Ö."}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestProfiles(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want Profile // no ID: an error
	}{
		"bare":                {`{"id":"u"}`, Profile{ID: "u"}},
		"names":               {`{"id":"u","first_name":"Ann","last_name":"Lee"}`, Profile{ID: "u", Name: "Ann Lee"}},
		"one name":            {`{"id":"u","last_name":"Lee"}`, Profile{ID: "u", Name: "Lee"}},
		"control in name":     {`{"id":"u","display_name":"A\r\nX: y\u0000\u2028 "}`, Profile{ID: "u", Name: "A\r\nX: y\x00\u2028 "}},
		"blank name":          {`{"id":"u","display_name":" ","first_name":"Ann"}`, Profile{ID: "u", Name: "Ann"}},
		"name of wrong type":  {`{"id":"u","display_name":{"a":1}}`, Profile{ID: "u"}},
		"placeholder as name": {`{"id":"u","display_name":"{env.HOME}"}`, Profile{ID: "u", Name: "{env.HOME}"}},
		"giant name": {
			`{"id":"u","display_name":"` + strings.Repeat("é", 50000) + `"}`, Profile{ID: "u", Name: strings.Repeat("é", 512)},
		},
		"name cut inside a letter": {
			`{"id":"u","display_name":"x` + strings.Repeat("é", 600) + `"}`, Profile{ID: "u", Name: "x" + strings.Repeat("é", 511)},
		},
		"unverified":           {`{"id":"u","email":"a@b.c","verified":0}`, Profile{ID: "u"}},
		"verified is absent":   {`{"id":"u","email":"a@b.c"}`, Profile{ID: "u"}},
		"verified is a string": {`{"id":"u","email":"a@b.c","verified":"1"}`, Profile{ID: "u"}},
		"verified is true":     {`{"id":"u","email":"a@b.c","verified":true}`, Profile{ID: "u"}},
		"two ats":              {`{"id":"u","email":"attacker@evil.com@company.com","verified":1}`, Profile{ID: "u"}},
		"no at":                {`{"id":"u","email":"company.com","verified":1}`, Profile{ID: "u"}},
		"no local part":        {`{"id":"u","email":"@company.com","verified":1}`, Profile{ID: "u"}},
		"no domain":            {`{"id":"u","email":"a@","verified":1}`, Profile{ID: "u"}},
		"line break in e-mail": {`{"id":"u","email":"a@b.c\r\nX: y","verified":1}`, Profile{ID: "u"}},
		"space in e-mail":      {`{"id":"u","email":"a b@b.c","verified":1}`, Profile{ID: "u"}},
		"giant e-mail":         {`{"id":"u","email":"a@` + strings.Repeat("b", 300) + `","verified":1}`, Profile{ID: "u"}},
		"no id":                {`{"email":"a@b.c","verified":1}`, Profile{}},
		"id is a number":       {`{"id":7}`, Profile{}},
		"id with line break":   {`{"id":"u\r\n"}`, Profile{}},
		"id with space":        {`{"id":"u v"}`, Profile{}},
		"giant id":             {`{"id":"` + strings.Repeat("u", 300) + `"}`, Profile{}},
		"bad account":          {`{"id":"u","account_id":"a\n"}`, Profile{}},
		"null":                 {`null`, Profile{}},
		"HTML":                 {`<html>`, Profile{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveZoom(t, reply(200, test.body))
			got, err := c.Me(t.Context(), Token{AccessToken: accessJWT(`{"uid":"from-token"}`)})
			if got != test.want {
				t.Errorf("got %+v (%v)", got, err)
			}
			if test.want.ID == "" && KindOf(err) != KindNonsense {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestProfileJSON(t *testing.T) {
	b, err := json.Marshal(Profile{ID: "u", AccountID: "a"})
	if err != nil || string(b) != `{"id":"u","account_id":"a"}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestMeWithoutTheScope(t *testing.T) {
	refuse := reply(400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:user]."}`)
	for name, test := range map[string]struct {
		token string
		want  Profile
	}{
		"new claims":         {accessJWT(`{"uid":"u1","aid":"a1"}`), Profile{ID: "u1", AccountID: "a1"}},
		"claims of 2020":     {accessJWT(`{"userId":"u1","accountId":"a1"}`), Profile{ID: "u1", AccountID: "a1"}},
		"no account":         {accessJWT(`{"uid":"u1"}`), Profile{ID: "u1"}},
		"claims not ASCII":   {accessJWT(`{"uid":"ü"}`), Profile{}},
		"no uid":             {accessJWT(`{"aid":"a1"}`), Profile{}},
		"claims are no JSON": {accessJWT(`uid`), Profile{}},
		"opaque":             {"opaque", Profile{}},
		"two parts":          {"a.b", Profile{}},
		"not base64":         {"a.!.c", Profile{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := serveZoom(t, refuse).Me(t.Context(), Token{AccessToken: test.token})
			if got != test.want {
				t.Errorf("got %+v", got)
			}
			if test.want.ID == "" && KindOf(err) != KindMissingScope || test.want.ID != "" && err != nil {
				t.Errorf("got error %v", err)
			}
		})
	}
	// Only a missing scope: a token that Zoom refuses proves nothing.
	tok := Token{AccessToken: accessJWT(`{"uid":"u1"}`)}
	for _, handler := range []http.HandlerFunc{reply(401, `{"code":124}`), reply(500, ``), reply(404, `{"code":1001}`)} {
		if got, err := serveZoom(t, handler).Me(t.Context(), tok); err == nil || got.ID != "" {
			t.Errorf("got %+v", got)
		}
	}
}
