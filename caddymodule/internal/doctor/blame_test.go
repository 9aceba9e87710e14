package doctor_test

import (
	"strings"
	"testing"
)

// An unknown app has nothing that could be compared: the cause comes first and
// nothing else is blamed.
func TestDoctorBlamesTheCredentialsOnly(t *testing.T) {
	p := newPatient(t)
	p.options["client_id"] = "UnknownApp0123456789a"
	for _, f := range p.diagnose(t).Checks {
		switch {
		case f.Check == "credentials":
			if f.Status != "fail" {
				t.Errorf("got %+v", f)
			}
		case f.Status != "ok" && f.Status != "skipped" || strings.Contains(f.Advice, "4,700"):
			t.Errorf("blames %+v", f)
		}
	}
}

func TestDoctorBeginsWithTheCredentials(t *testing.T) {
	var order []string
	for _, f := range newPatient(t).diagnose(t).Checks {
		if f.ClientID != "" {
			order = append(order, f.Check)
		}
	}
	if got := strings.Join(order, " "); got != "credentials clock redirect_uris protected scopes storage secrets" {
		t.Errorf("checked %s", got)
	}
}

// What nobody can see from outside is not passed off as checked.
func TestDoctorSaysWhatItDidNotCheck(t *testing.T) {
	found, _ := newPatient(t).examine(t)
	for _, check := range []string{"redirect_uris", "scopes"} {
		f := found[check][0]
		if f.Status != "skipped" || !strings.Contains(f.Message, "not checked, please compare at marketplace.zoom.us") {
			t.Errorf("%s: %+v", check, f)
		}
	}
}
