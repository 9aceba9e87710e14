package caddymodule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestScopesOfFeatures(t *testing.T) {
	const vital = true
	short, long := &zakSettings{}, &zakSettings{lifetime: time.Hour}
	for name, tt := range map[string]struct {
		settings settings
		want     map[string]bool // whether it is vital
	}{
		"identity only":                 {settings{}, map[string]bool{"user:read:user": false}},
		"allow by id":                   {settings{allow: &allowRules{userIDs: map[string]bool{"u": true}}}, map[string]bool{"user:read:user": false}},
		"allow by e-mail":               {settings{allow: &allowRules{emails: map[string]bool{"a@b.c": true}}}, map[string]bool{"user:read:user": vital}},
		"zak":                           {settings{zak: short}, map[string]bool{"user:read:user": false, "user:read:zak": vital}},
		"zak with a lifetime":           {settings{zak: long}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
		"obf":                           {settings{obf: new(obfSettings)}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
		"page_tokens with zak off":      {settings{pageTokens: true}, map[string]bool{"user:read:user": false, "user:read:zak": false, "user:read:token": false}},
		"page_tokens":                   {settings{pageTokens: true, zak: short}, map[string]bool{"user:read:user": false, "user:read:zak": vital, "user:read:token": false}},
		"page_tokens with obf":          {settings{pageTokens: true, obf: new(obfSettings)}, map[string]bool{"user:read:user": false, "user:read:zak": false, "user:read:token": vital}},
		"page_tokens with zak lifetime": {settings{pageTokens: true, zak: long}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
	} {
		got := make(map[string]bool)
		for _, n := range scopesOf([]*site{{settings: &tt.settings}}) {
			got[n.name] = n.vital
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// What pages may ask for is needed where requests carry nothing.
func TestDoctorNamesScopesOfPageTokens(t *testing.T) {
	for _, tt := range []struct {
		scopes string
		status verdict
		value  string
		advice string
	}{
		{"", verdictOK, "user:read:token", "user:read:token is only for POST obf"},
		{"user:read:user user:read:zak", verdictWarn, "user:read:token (POST obf of page_tokens)", "add it to scopes"},
		{"user:read:user user:read:token", verdictWarn, "user:read:zak (POST zak of page_tokens)", "add it to scopes"},
	} {
		p := newPatient(t)
		p.options["zak"], p.options["page_tokens"] = "off", "on"
		if tt.scopes != "" {
			p.options["scopes"] = tt.scopes
		}
		found, _ := p.examine(t, doctor{})
		f := found["scopes"][0]
		if f.Status != tt.status || !strings.Contains(strings.Join(f.Values, ","), tt.value) || !strings.Contains(f.Advice, tt.advice) {
			t.Errorf("scopes %q: found %+v", tt.scopes, f)
		}
	}
}
