package pages

import (
	"strings"
	"testing"
)

func TestFramePages(t *testing.T) {
	evil := `https://x"><script>alert(1)</script>`
	for name, test := range map[string]struct {
		page Page
		want []string
	}{
		"in the frame": {
			FramedSignInPage("7d9f", testSignIn, "/meet/42", FrameScript{Endpoint: "/p/frame/redeem", Window: "/p/login"}),
			[]string{`data-endpoint="/p/frame/redeem"`, `data-window="/p/login"`, `second" href="/meet/42">Continue`, "press Continue", `href="/zoom_pkce/login?return_to=%2Fmeet%2F42" target="_blank"`},
		},
		"in the window": {
			FrameWindowPage("7d9f", Account{evil, "", "u1"}, []string{"https://lms.example", evil}, FrameScript{Endpoint: "/p/frame/ticket", Key: `k"><script>`}),
			[]string{`data-endpoint="/p/frame/ticket"`, "<bdi>https://lms.example</bdi>", `<button class="button" id="go" type="button" disabled>Continue</button>`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			html, policy := show(t, test.page)
			for _, want := range test.want {
				if !strings.Contains(html, want) {
					t.Errorf("%q is missing from %s", want, html[strings.Index(html, "<main>"):])
				}
			}
			if n := strings.Count(html, "<script"); n != 1 {
				t.Errorf("%d scripts", n)
			}
			if !strings.Contains(policy, "connect-src 'self'") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy %q", policy)
			}
			checkHash(t, html, policy, "script")
			checkHash(t, html, policy, "style")
		})
	}
}
