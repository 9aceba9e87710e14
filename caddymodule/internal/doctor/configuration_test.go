package doctor

import (
	"errors"
	"strings"
	"testing"
)

func TestDoctorAdvisesEnvFilesForVariablesOnly(t *testing.T) {
	for message, want := range map[string]bool{
		"client_secret: placeholder {env.X} is empty: the variable is not set or the file cannot be read":                  true,
		"wrong argument count for client_secret: it takes one argument; there is none: is a {$NAME} in it unset?":          true,
		"client_secret: placeholder {file./run/secrets/zoom} is empty: the variable is not set or the file cannot be read": false,
		"unrecognized zoom_pkce subdirective 'redirect_url'":                                                               false,
		"there is no Caddyfile in this directory; name a configuration with --config":                                      false,
	} {
		f := configurationFinding(errors.New(message))
		if got := strings.Contains(f.Advice, "--envfile"); got != want || f.Advice == "" {
			t.Errorf("%s: advice %q", message, f.Advice)
		}
	}
}
