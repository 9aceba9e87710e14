package doctor

import (
	"fmt"
	"testing"
)

func TestScopesOfFeatures(t *testing.T) {
	const vital = true
	for name, tt := range map[string]struct {
		site Site
		want map[string]bool // whether it is vital
	}{
		"identity only":                 {Site{}, map[string]bool{"user:read:user": false}},
		"allow by e-mail":               {Site{AllowsByEmail: true}, map[string]bool{"user:read:user": vital}},
		"zak":                           {Site{ZAK: true}, map[string]bool{"user:read:user": false, "user:read:zak": vital}},
		"zak with a lifetime":           {Site{ZAK: true, LastingZAK: true}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
		"obf":                           {Site{OBF: true}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
		"page_tokens with zak off":      {Site{PageTokens: true}, map[string]bool{"user:read:user": false, "user:read:zak": false, "user:read:token": false}},
		"page_tokens":                   {Site{PageTokens: true, ZAK: true}, map[string]bool{"user:read:user": false, "user:read:zak": vital, "user:read:token": false}},
		"backend with zak off":          {Site{BackendSecrets: [][]byte{nil}}, map[string]bool{"user:read:user": false, "user:read:zak": false, "user:read:token": false}},
		"programs":                      {Site{KeyPrograms: true, ZAK: true}, map[string]bool{"user:read:user": false, "user:read:zak": vital, "user:read:token": false}},
		"page_tokens with obf":          {Site{PageTokens: true, OBF: true}, map[string]bool{"user:read:user": false, "user:read:zak": false, "user:read:token": vital}},
		"page_tokens with zak lifetime": {Site{PageTokens: true, ZAK: true, LastingZAK: true}, map[string]bool{"user:read:user": false, "user:read:token": vital}},
	} {
		got := make(map[string]bool)
		for _, n := range scopesOf([]*Site{&tt.site}) {
			got[n.name] = n.vital
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
