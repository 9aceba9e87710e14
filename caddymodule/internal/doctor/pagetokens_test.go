package doctor_test

import (
	"strings"
	"testing"
)

// What pages may ask for is needed where requests carry nothing.
func TestDoctorNamesScopesOfPageTokens(t *testing.T) {
	for _, tt := range []struct {
		scopes string
		status string
		value  string
		advice string
	}{
		{"", "skipped", "user:read:token", "user:read:token is only for POST obf"},
		{"user:read:user user:read:zak", "warn", "user:read:token (POST obf of page_tokens)", "add it to scopes"},
		{"user:read:user user:read:token", "warn", "user:read:zak (POST zak of page_tokens)", "add it to scopes"},
	} {
		p := newPatient(t)
		p.options["zak"], p.options["page_tokens"] = "off", "on"
		if tt.scopes != "" {
			p.options["scopes"] = tt.scopes
		}
		found, _ := p.examine(t)
		f := found["scopes"][0]
		if f.Status != tt.status || !strings.Contains(strings.Join(f.Values, ","), tt.value) || !strings.Contains(f.Advice, tt.advice) {
			t.Errorf("scopes %q: found %+v", tt.scopes, f)
		}
	}
}
