package caddymodule

import (
	"errors"
	"strings"
	"testing"
)

// An unknown app has nothing that could be compared: the cause comes first and
// nothing else is blamed.
func TestDoctorBlamesTheCredentialsOnly(t *testing.T) {
	p := newPatient(t)
	p.options["client_id"] = "UnknownApp0123456789a"
	for _, f := range diagnose(t, p) {
		switch {
		case f.Check == "credentials":
			if f.Status != verdictFail {
				t.Errorf("got %+v", f)
			}
		case f.Status != verdictOK || strings.Contains(f.Advice, "4,700"):
			t.Errorf("blames %+v", f)
		}
	}
}

func TestDoctorBeginsWithTheCredentials(t *testing.T) {
	var order []string
	for _, f := range diagnose(t, newPatient(t)) {
		if f.ClientID != "" {
			order = append(order, f.Check)
		}
	}
	if got := strings.Join(order, " "); got != "credentials clock redirect_uris scopes storage secrets" {
		t.Errorf("checked %s", got)
	}
}

func diagnose(t *testing.T, p *patient) []finding {
	t.Helper()
	return (&doctor{config: p.write(t)}).diagnose(t.Context()).Checks
}

// What nobody can see from outside is not passed off as checked.
func TestDoctorSaysWhatItDidNotCheck(t *testing.T) {
	found, _ := newPatient(t).examine(t, doctor{})
	for _, check := range []string{"redirect_uris", "scopes"} {
		f := found[check][0]
		if f.Status != verdictOK || !strings.Contains(f.Message, "not checked, please compare at marketplace.zoom.us") {
			t.Errorf("%s: %+v", check, f)
		}
	}
}

func TestDoctorAdvisesEnvFilesForVariablesOnly(t *testing.T) {
	for message, want := range map[string]bool{
		`client_id "{env.ZOOM_CLIENT_ID}": evaluated placeholder {env.ZOOM_CLIENT_ID} is empty`:                            true,
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
