package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A body is a JSON object: encoding/json takes null for one without members.
func TestBodiesThatAreNoJSONObject(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk", "zoom_app", "page_tokens on"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, endpoint := range []string{"signature", "obf", "app/onauthorized"} {
		for _, body := range []string{"null", " null\n", "[]", "[{}]", `"{}"`, "1", "true", "", "\ufeff{}", "{}{}", "{}null"} {
			if a := b.post(endpoint, body); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %q: got %d\n%s", endpoint, body, a.StatusCode, a.body)
			}
		}
	}
	if a := b.post("signature", " \r\n\t{ } "); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "signature") {
		t.Errorf("an object between white space: %d\n%s", a.StatusCode, a.body)
	}
}
