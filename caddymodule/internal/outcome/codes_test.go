package outcome

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"testing"
)

// The table of codes is a contract: monitors and clients are written against it.
var codeStatuses = map[Code]int{
	"sign_in_required": 401,
	"not_allowed":      403, "declined": 403, "cross_site": 403, "bad_signature": 403,
	"bad_callback": 400, "login_expired": 400, "cookies_missing": 400, "bad_request": 400, "bad_client": 400,
	"not_found": 404, "method_not_allowed": 405, "too_many_logins": 429,
	"code_refused": 502, "zoom_misconfigured": 502, "missing_scope": 502, "zoom_nonsense": 502,
	"zoom_unavailable": 503, "zoom_rate_limited": 503, "zak_unavailable": 503, "store_unavailable": 503,
}

func TestCodes(t *testing.T) {
	got, want := All(), slices.Sorted(maps.Keys(codeStatuses))
	if !slices.Equal(got, want) {
		t.Fatalf("codes are %v, want %v", got, want)
	}
	sentence := regexp.MustCompile(`^[A-Z].*[^.!?]$`)
	for c, status := range codeStatuses {
		if c.Status() != status {
			t.Errorf("%s has status %d, want %d", c, c.Status(), status)
		}
		if !sentence.MatchString(c.Title()) || !regexp.MustCompile(`^[A-Z].*\.$`).MatchString(c.Detail()) {
			t.Errorf("%s reads %q, %q", c, c.Title(), c.Detail())
		}
	}
	if got := Code("made up").Status(); got != http.StatusInternalServerError {
		t.Errorf("unknown code has status %d", got)
	}
}

func TestHelpsToSignIn(t *testing.T) {
	for c, want := range map[Code]bool{SignInRequired: true, LoginExpired: true, NotAllowed: false, StoreUnavailable: false} {
		if c.HelpsToSignIn() != want {
			t.Errorf("%s: %t", c, !want)
		}
	}
}

// Who is sent to do something has to be told what.
func TestEveryTroubleHasAdvice(t *testing.T) {
	for _, c := range All() {
		if c.Status() >= 500 && c.Advice() == "" {
			t.Errorf("%s: no advice", c)
		}
	}
}
