package e2e

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var sealedConsent = regexp.MustCompile(`name="consent" value="([^"]+)"`)

// answerProgram does what a person does whom a program sent to the browser: signs
// in at Zoom, unless they are, and presses a button of the consent page. It
// returns where the browser goes next.
func (b *browser) answerProgram(authorize, userID, decision string) (back string) {
	b.w.t.Helper()
	a := b.open(authorize)
	if a.StatusCode == http.StatusSeeOther {
		a = b.open(b.consent(a, userID))
		a = b.open(a.Header.Get("Location"))
	}
	value := sealedConsent.FindStringSubmatch(a.body)
	if value == nil {
		b.w.t.Fatalf("got %d to %q, want the consent page\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	form := url.Values{"consent": {html.UnescapeString(value[1])}, "decision": {decision}}
	r := b.request(http.MethodPost, "/zoom_pkce/oauth/consent", append([]string{
		"Origin", b.origin, "Content-Type", "application/x-www-form-urlencoded",
	}, navigateSameOrigin...)...)
	r.Body = io.NopCloser(strings.NewReader(form.Encode()))
	if a = b.do(r); a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("the consent was answered with %d, want 303\n%s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}
