package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// credentialEndpoints give a signed-in page something in the visitor's name.
var credentialEndpoints = []struct{ path, body, secret string }{
	{"signature", `{"meetingNumber":"123456789","role":0}`, `"signature"`},
	{"zak", ``, `"zak"`},
	{"obf", `{"meeting_id":"123456789"}`, `"obf_token"`},
}

func TestCredentialsForPagesOfTheSiteOnly(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk", "page_tokens on", "allow {\nuser_id user-ada\n}"))
	ada, bob, nobody := w.browser(), w.browser(), w.browser()
	ada.signIn("/", "user-ada")
	bob.signIn("/", "user-bob")
	for _, e := range credentialEndpoints {
		for _, tt := range []struct {
			name    string
			browser *browser
			header  []string
			want    string
		}{
			{name: "signed in", browser: ada},
			{name: "no fetch metadata", browser: ada, header: []string{"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", ""}},
			{name: "nobody", browser: nobody, want: "sign_in_required"},
			{name: "somebody allow keeps out", browser: bob, want: "not_allowed"},
			{"a page of another site", ada, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, "cross_site"},
			{"a page of a sibling", ada, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, "cross_site"},
			{"no page at all", ada, []string{"Sec-Fetch-Site", "none"}, "cross_site"},
			{"another origin, no fetch metadata", ada, []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, "cross_site"},
			{"an opaque origin, no fetch metadata", ada, []string{"Sec-Fetch-Site", "", "Origin", "null"}, "cross_site"},
		} {
			t.Run(e.path+"/"+tt.name, func(t *testing.T) {
				decision := tt.want
				if tt.want == "" {
					decision = "endpoint"
				}
				before := decisions(t, decision)
				a := tt.browser.post(e.path, e.body, tt.header...)
				if got := a.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("Cache-Control: %q", got)
				}
				if n := decisions(t, decision) - before; n != 1 {
					t.Errorf("counted %v times as %s", n, decision)
				}
				if tt.want == "" {
					if a.StatusCode != http.StatusOK || !strings.Contains(a.body, e.secret) {
						t.Fatalf("got %d\n%s", a.StatusCode, a.body)
					}
					return
				}
				if p := a.problem(t); p.Code != tt.want || a.StatusCode != statusOf[tt.want] {
					t.Errorf("got %d %s, want %s", a.StatusCode, p.Code, tt.want)
				}
				if strings.Contains(a.body, "eyJ") {
					t.Errorf("a credential: %s", a.body)
				}
			})
		}
	}
}

func TestCredentialsByPostOnly(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("meeting_sdk", "page_tokens on"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, e := range credentialEndpoints {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			a := b.fetch(method, "/zoom_pkce/"+e.path)
			if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" || strings.Contains(a.body, "eyJ") {
				t.Errorf("%s %s: got %d, Allow %q\n%s", method, e.path, a.StatusCode, a.Header.Get("Allow"), a.body)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: other origins are let in", method, e.path)
			}
		}
	}
}

func TestCredentialEndpointsAreOffByDefault(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, e := range credentialEndpoints {
		if p := b.post(e.path, e.body).problem(t); p.Code != "not_found" || p.Status != http.StatusNotFound {
			t.Errorf("%s: got %d %s", e.path, p.Status, p.Code)
		}
	}
}
