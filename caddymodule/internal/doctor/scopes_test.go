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

// A scope counts in its classic form too, and in those for administrators.
func TestScopesAsked(t *testing.T) {
	need := neededScope{name: "user:read:zak", classic: []string{"user_zak:read"}}
	for scope, want := range map[string]bool{
		"user:read:zak": true, "user:read:zak:admin": true, "user:read:zak:master": true, "user_zak:read": true, "user_zak:read:admin": true,
		"user:read:token": false, "user:read": false, "": false,
	} {
		if got := need.asked([]string{"other", scope}); got != want {
			t.Errorf("%s: %t", scope, got)
		}
	}
}

func TestScopeFinding(t *testing.T) {
	var own, lacking Site
	own.ZAK = true
	lacking.ZAK, lacking.Zoom.Scopes = true, []string{"user:read:user"}
	if got := scopeFinding([]*Site{&own, &lacking}, zoomProbe{}); got.Status != verdictFail || fmt.Sprint(got.Values) != "[user:read:zak (zak)]" {
		t.Errorf("got %+v", got)
	}
	lacking.Zoom.Scopes = []string{"user:read:zak"}
	if got := scopeFinding([]*Site{&own, &lacking}, zoomProbe{}); got.Status != verdictWarn || fmt.Sprint(got.Values) != "[user:read:user (name and e-mail address)]" {
		t.Errorf("got %+v", got)
	}
	for site, want := range map[*Site]string{
		{ZAK: true}:                   "",
		{OBF: true}:                   "",
		{ZAK: true, PageTokens: true}: "; user:read:token is only for POST obf of page_tokens",
	} {
		if got := scopeFinding([]*Site{site}, zoomProbe{}).Advice; got != "add there under Scopes what is missing; which ones the app has shows only when somebody signs in"+want {
			t.Errorf("%+v: %s", site, got)
		}
	}
}
