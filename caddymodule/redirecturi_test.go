package caddymodule

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestRedirectURIs(t *testing.T) {
	tests := map[string]struct {
		uris []string
		want string // part of the error; "" is none
	}{
		"https":                        {[]string{"https://app.example.com/cb"}, ""},
		"https with a port":            {[]string{"https://app.example.com:8443/cb", "https://app.example.com/cb"}, ""},
		"capitals in the path":         {[]string{"https://app.example.com/Zoom/CallBack"}, ""},
		"an IPv4 address":              {[]string{"https://192.0.2.1/cb"}, ""},
		"an IPv6 address":              {[]string{"https://[2001:db8::1]:8443/cb"}, ""},
		"http to 127.0.0.1":            {[]string{"http://127.0.0.1:8080/cb"}, ""},
		"http to all of 127.0.0.0/8":   {[]string{"http://127.1.2.3/cb"}, ""},
		"http to ::1":                  {[]string{"http://[::1]:8080/cb"}, ""},
		"http to localhost":            {[]string{"http://LocalHost:8080/cb"}, ""},
		"http to a name of localhost":  {[]string{"http://app.localhost:8080/cb"}, ""},
		"two ports of one host":        {[]string{"http://localhost:1/cb", "http://localhost:2/cb"}, ""},
		"an escaped brace in the path": {[]string{`https://app.example.com/\{cb\}`}, "path of its own"},

		"none":                              {nil, "redirect_uri: is required"},
		"an empty one":                      {[]string{""}, "redirect_uri: is empty"},
		"an unset placeholder":              {[]string{"{env.ZOOM_UNSET}"}, "placeholder {env.ZOOM_UNSET} is empty: the variable is not set"},
		"http elsewhere":                    {[]string{"http://app.example.com/cb"}, "must be https"},
		"http to a name that begins alike":  {[]string{"http://localhost.evil.example/cb"}, "must be https"},
		"http to a name that ends alike":    {[]string{"http://notlocalhost/cb"}, "must be https"},
		"http to a private address":         {[]string{"http://10.0.0.1/cb"}, "must be https"},
		"http to an octal address":          {[]string{"http://0177.0.0.1/cb"}, "must be https"},
		"a path only":                       {[]string{"/zoom_pkce/callback"}, "is not an absolute URL"},
		"a host only":                       {[]string{"app.example.com/cb"}, "is not an absolute URL"},
		"an address of this machine":        {[]string{"127.0.0.1:9001/cb"}, "is not an absolute URL: is http:// missing?"},
		"localhost with a port":             {[]string{"localhost:9001/cb"}, "is http:// missing?"},
		"an IPv6 address of this machine":   {[]string{"[::1]:9001/cb"}, "is http:// missing?"},
		"a host with a port only":           {[]string{"app.example.com:8443/cb"}, "is https:// missing?"},
		"a scheme without slashes":          {[]string{"https:/cb"}, "that begins with https://"},
		"no host":                           {[]string{"https:///cb"}, "is not an absolute URL"},
		"an opaque URL":                     {[]string{"https:app.example.com/cb"}, "is not an absolute URL"},
		"a scheme of an app":                {[]string{"myapp://callback/x"}, "is not an absolute URL"},
		"user information":                  {[]string{"https://a@app.example.com/cb"}, "must not contain a user name"},
		"an international name":             {[]string{"https://bücher.example/cb"}, "has no valid host"},
		"a wildcard":                        {[]string{"https://*.example.com/cb"}, "has no valid host"},
		"a zone":                            {[]string{"https://[fe80::1%25eth0]/cb"}, "has no valid host"},
		"port 0":                            {[]string{"https://app.example.com:0/cb"}, "has no valid port"},
		"an empty port":                     {[]string{"https://app.example.com:/cb"}, "has no valid port"},
		"a query":                           {[]string{"https://app.example.com/cb?a=b"}, "must not have a query"},
		"an empty query":                    {[]string{"https://app.example.com/cb?"}, "must not have a query"},
		"a fragment":                        {[]string{"https://app.example.com/cb#a"}, "must not have a query"},
		"an empty fragment":                 {[]string{"https://app.example.com/cb#"}, "must not have a query"},
		"no path":                           {[]string{"https://app.example.com"}, "path of its own"},
		"the whole site":                    {[]string{"https://app.example.com/"}, "path of its own"},
		"a trailing slash":                  {[]string{"https://app.example.com/cb/"}, "path of its own"},
		"a double slash":                    {[]string{"https://app.example.com//cb"}, "path of its own"},
		"dots":                              {[]string{"https://app.example.com/a/../cb"}, "path of its own"},
		"an escape":                         {[]string{"https://app.example.com/c%62"}, "path of its own"},
		"two paths":                         {[]string{"https://a.example/cb", "https://b.example/CB"}, `"https://b.example/CB": must have the same path as "https://a.example/cb"`},
		"one host twice":                    {[]string{"https://a.example/cb", "https://A.example:443/cb"}, "has the same host as"},
		"https and http":                    {[]string{"https://a.example/cb", "http://localhost/cb"}, "cookie names and attributes depend on the scheme"},
		"the place of an endpoint":          {[]string{"https://a.example/zoom_pkce/login"}, `its path is that of the endpoint "login"`},
		"the place of a frame's endpoint":   {[]string{"https://a.example/zoom_pkce/frame/redeem"}, `its path is that of the endpoint "frame/redeem"`},
		"the place of an endpoint below it": {[]string{"https://a.example/zoom_pkce/app/authorize"}, "app/authorize"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := minimalHandler()
			h.RedirectURI = test.uris
			s, err := h.resolve(caddy.NewReplacer())
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				for i, uri := range test.uris {
					if s.redirectURIs[i].uri != uri {
						t.Errorf("%q became %q: Zoom would not recognise it", uri, s.redirectURIs[i].uri)
					}
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one that contains %q and nothing else", err, test.want)
			}
		})
	}
}

// Whoever has made several mistakes is told of all at once.
func TestRedirectURIsTellOfEachMistake(t *testing.T) {
	h := minimalHandler()
	h.RedirectURI = []string{"/cb", "https://app.example.com/", "https://app.example.com/cb?a=b"}
	_, err := h.resolve(caddy.NewReplacer())
	for _, want := range []string{"is not an absolute URL", "path of its own", "must not have a query"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}

func TestRedirectURIFor(t *testing.T) {
	h := minimalHandler()
	h.RedirectURI = []string{
		"https://App.example.com/cb", "https://app.example.com:8443/cb", "https://[2001:db8::1]/cb",
		"https://one.example.com:8443/cb", "https://two.example.com:8443/cb", "https://two.example.com:9443/cb", "https://[2001:db8::2]:8443/cb",
	}
	s := mustResolve(t, h)
	tests := map[string]string{
		"app.example.com":      h.RedirectURI[0],
		"APP.example.com:443":  h.RedirectURI[0],
		"app.example.com:8443": h.RedirectURI[1],
		"[2001:DB8::1]":        h.RedirectURI[2],
		"app.example.com:80":   "",

		// A front proxy may drop the port.
		"One.example.com":      h.RedirectURI[3],
		"[2001:db8::2]":        h.RedirectURI[6],
		"two.example.com":      "",
		"one.example.com:443":  "",
		"one.example.com:9443": "",
		"2001:db8::2":          "",
		"app.example.com.":     "",
		"evil.example":         "",
		"":                     "",
	}
	for host, want := range tests {
		got := ""
		if uri, ok := s.redirectURIFor(host); ok {
			got = uri.uri
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	if s.redirectURIs[0].origin != "https://app.example.com" || s.redirectURIs[1].origin != "https://app.example.com:8443" {
		t.Errorf("origins are %q and %q", s.redirectURIs[0].origin, s.redirectURIs[1].origin)
	}
}

func TestCallbackRefuses(t *testing.T) {
	bothWays(t, "", testCallbackRefuses)
}

func testCallbackRefuses(t *testing.T, p *provisioned) {
	t.Helper()
	back, cookies := p.approve("/")
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	state, code := "state="+u.Query().Get("state"), "code="+u.Query().Get("code")
	for query, want := range map[string]outcome.Code{
		"%zz&" + state + "&" + code:           outcome.BadCallback,
		state + "&" + state + "&" + code:      outcome.BadCallback,
		state + "&" + code + "&" + code:       outcome.BadCallback,
		state:                                 outcome.BadCallback,
		state + "&code=":                      outcome.BadCallback,
		"error=access_denied":                 outcome.Declined,
		"error=access_denied&state=x&" + code: outcome.Declined,
	} {
		r := httptest.NewRequest(http.MethodGet, "/zoom_pkce/callback?"+query, nil)
		got, _ := p.serve(r, cookies, nil)
		text, _ := io.ReadAll(got.Body)
		if codeOf(string(text)) != string(want) || cookiesOf(got) != "" {
			t.Errorf("%s: got %s %s, cookies %q", query, got.Status, text, cookiesOf(got))
		}
	}
	// The login is as good as before, in this browser only (RFC 6749, section 10.12).
	if stray := p.open(back, ""); !strings.HasPrefix(stray.Header.Get("Location"), p.zoom.URL) {
		t.Errorf("another browser is sent to %q", stray.Header.Get("Location"))
	}
	if p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Error("a code was exchanged for a callback that was refused")
	}
	signedIn := p.open(back, cookies)
	if signedIn.Header.Get("Location") != "/" {
		t.Fatalf("the callback: %s to %q", signedIn.Status, signedIn.Header.Get("Location"))
	}
	if dropped := strings.Count(strings.Join(signedIn.Header["Set-Cookie"], "\n"), "Max-Age=0"); dropped != 1 {
		t.Errorf("%d cookies were dropped, want that of the login: %q", dropped, signedIn.Header["Set-Cookie"])
	}
	// A reload of the callback, and another tab that was slower.
	if again := p.open(back, cookiesOf(signedIn)); again.Header.Get("Location") != "/" {
		t.Errorf("a reload is sent to %q", again.Header.Get("Location"))
	}
	if slower := p.open(back, cookies+"; "+cookiesOf(signedIn)); slower.Header.Get("Location") != "/" || p.zoom.Count(zoomtest.CallCode) != 1 {
		t.Errorf("a slower tab is sent to %q", slower.Header.Get("Location"))
	}
}

// A code that Zoom refuses is worth one more try, and an error of Zoom's ends the login.
func TestCallbackTriesAgainOnce(t *testing.T) {
	bothWays(t, "", func(t *testing.T, p *provisioned) {
		withCode := func(back, code string) string {
			u, err := url.Parse(back)
			if err != nil {
				t.Fatal(err)
			}
			u.RawQuery = url.Values{"state": u.Query()["state"], code: {"access_denied"}}.Encode()
			return u.String()
		}
		back, cookies := p.approve("/notes")
		again := p.open(withCode(back, "code"), cookies)
		if !strings.HasPrefix(again.Header.Get("Location"), p.zoom.URL) {
			t.Fatalf("%s to %q", again.Status, again.Header.Get("Location"))
		}
		authorize := again.Header.Get("Location")
		back, err := p.zoom.SignIn(t.Context(), authorize, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if last := p.open(withCode(back, "code"), cookiesOf(again)); last.StatusCode != http.StatusBadGateway {
			t.Errorf("the second code that Zoom refused: %s", last.Status)
		}
		// Not in this browser: it keeps no cookies.
		if lost := p.open(back, ""); lost.StatusCode != http.StatusBadRequest {
			t.Errorf("a second callback without its login: %s", lost.Status)
		}
		back, cookies = p.approve("/notes")
		declined := p.open(withCode(back, "error"), cookies)
		if dropped := strings.Count(strings.Join(declined.Header["Set-Cookie"], "\n"), "Max-Age=0"); declined.StatusCode != http.StatusForbidden || dropped != 1 {
			t.Errorf("declined: %s, %d cookies dropped", declined.Status, dropped)
		}
	})
}

// A callback without a state begins a sign-in of this browser's own, once.
func TestCallbackWithoutState(t *testing.T) {
	bothWays(t, "", testCallbackWithoutState)
}

func testCallbackWithoutState(t *testing.T, p *provisioned) {
	t.Helper()
	first := p.open("/zoom_pkce/callback?code=x", "")
	if !strings.HasPrefix(first.Header.Get("Location"), p.zoom.URL) || p.zoom.Count(zoomtest.CallCode) != 0 {
		t.Fatalf("%s to %q", first.Status, first.Header.Get("Location"))
	}
	if second := p.open("/zoom_pkce/callback?code=x", cookiesOf(first)); second.StatusCode != http.StatusBadRequest {
		t.Errorf("a second one gets %s", second.Status)
	}
	back, err := p.zoom.SignIn(t.Context(), first.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	signedIn := p.open(back, cookiesOf(first))
	if dropped := strings.Count(strings.Join(signedIn.Header["Set-Cookie"], "\n"), "Max-Age=0"); signedIn.Header.Get("Location") != "/" || dropped != 2 {
		t.Errorf("%s, %d cookies dropped: %q", signedIn.Status, dropped, signedIn.Header["Set-Cookie"])
	}
}
