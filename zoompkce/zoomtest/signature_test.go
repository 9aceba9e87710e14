package zoomtest

import (
	"crypto/sha256"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		now := time.Now().Unix()
		sign := func(secret string, changes map[string]any) string {
			header := map[string]any{"alg": "HS256", "typ": "JWT"}
			claims := map[string]any{
				"appKey": "confidential", "mn": "12345678901", "role": 1,
				"iat": now - 30, "exp": now + 7200, "tokenExp": now + 7200,
			}
			mergeExtra(claims, changes)
			return signJWT(sha256.New, []byte(secret), header, claims)
		}
		web := Signature{"confidential", "12345678901", 1}
		for name, tc := range map[string]struct {
			changes map[string]any
			want    Signature
		}{
			"web":              {nil, web},
			"with sdkKey":      {map[string]any{"sdkKey": "confidential"}, web},
			"a plain number":   {map[string]any{"mn": int64(12345678901)}, web},
			"of a participant": {map[string]any{"role": 0}, Signature{"confidential", "12345678901", 0}},
			"the shortest one": {map[string]any{"exp": now - 30 + 1800}, web},
			"native":           {map[string]any{"mn": nil, "role": nil}, Signature{ClientID: "confidential"}},
			"the longest one":  {map[string]any{"exp": now - 30 + 172800, "tokenExp": now - 30 + 172800}, web},
		} {
			if got, ok := w.ValidateSignature(sign("s3cret", tc.changes)); !ok || got != tc.want {
				t.Errorf("%s: %+v, %v", name, got, ok)
			}
		}
		for name, changes := range map[string]map[string]any{
			"no appKey":          {"appKey": nil, "sdkKey": "confidential"},
			"another sdkKey":     {"sdkKey": "public"},
			"a public client":    {"appKey": "public"},
			"no iat":             {"iat": nil},
			"issued later":       {"iat": now + 1},
			"no exp":             {"exp": nil},
			"no tokenExp":        {"tokenExp": nil},
			"expired":            {"iat": now - 7200, "exp": now},
			"token expired":      {"iat": now - 7200, "tokenExp": now},
			"too short":          {"exp": now + 1700},
			"too long":           {"tokenExp": now + 172800},
			"no role":            {"role": nil},
			"a third role":       {"role": 2},
			"a role as text":     {"role": "1"},
			"no meeting number":  {"mn": ""},
			"a meeting's name":   {"mn": "my-meeting"},
			"null for a meeting": {"mn": []any{}},
		} {
			if _, ok := w.ValidateSignature(sign("s3cret", changes)); ok {
				t.Errorf("%s: accepted", name)
			}
		}
		good := sign("s3cret", nil)
		for name, signature := range map[string]string{
			"another secret":     sign("wrong", nil),
			"no secret":          sign("", map[string]any{"appKey": "public"}),
			"alg none":           encodeJWTPart(map[string]any{"alg": "none", "typ": "JWT"}) + good[strings.IndexByte(good, '.'):strings.LastIndexByte(good, '.')+1],
			"another header":     signJWT(sha256.New, []byte("s3cret"), map[string]any{"alg": "HS256"}, map[string]any{}),
			"something else":     "nonsense",
			"a changed end":      good[:len(good)-4] + "AAAA",
			"somebody's access":  w.signIn(w.app).Access,
			"nothing whatsoever": "",
		} {
			if _, ok := w.ValidateSignature(signature); ok {
				t.Errorf("%s: accepted", name)
			}
		}
		time.Sleep(2 * time.Hour)
		if _, ok := w.ValidateSignature(good); ok {
			t.Error("outlived its two hours")
		}
	})
}
