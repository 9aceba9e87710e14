package storecall_test

import (
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

func TestVersions(t *testing.T) {
	a, b := storecall.NewVersion(), storecall.NewVersion()
	if !storecall.IsHexName(a, 32) || !storecall.IsHexName(b, 32) || a == b {
		t.Errorf("%s, %s", a, b)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"0af9": true, "0AF9": false, "0afg": false, "0a/9": false, "0a`9": false, "0a:9": false, "0af": false, "0af90": false, "": false,
	} {
		if got := storecall.IsHexName(name, 4); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	sum := strings.Repeat("0123456789abcdef", 4)
	for key, want := range map[string]bool{
		"zoom_pkce/users/0a/" + sum:        true,
		"0a/" + sum:                        true,
		"zoom_pkce/users/0a/" + sum[1:]:    false,
		"zoom_pkce/users/0a/" + sum + "0":  false,
		"zoom_pkce/users/0/" + sum:         false,
		"zoom_pkce/users/0ab/" + sum:       false,
		"zoom_pkce/users/zz/" + sum:        false,
		"zoom_pkce/users/0a/." + sum[1:]:   false,
		"zoom_pkce/users/0a/" + sum + "/x": false,
		sum:                                false,
	} {
		if got := storecall.IsUserKey(key); got != want {
			t.Errorf("%s: %t", key, got)
		}
	}
}
