package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	siteOrigin  = "https://app.example.com"
	otherOrigin = "https://other.example.com"
)

// behindTLS is a site whose TLS a load balancer ends, for any host.
func (w *world) behindTLS(options ...string) string {
	return w.httpsSite([]string{siteOrigin}, options...)
}

func (w *world) httpsSite(origins []string, options ...string) string {
	var uris []string
	for _, origin := range origins {
		uris = append(uris, origin+"/zoom_pkce/callback")
	}
	w.registerAt(uris...)
	_, port, _ := strings.Cut(w.addr, ":")
	return w.caddyfileAt("http://:"+port, fmt.Sprintf(
		"zoom_pkce {\nclient_id %s\nclient_secret %s\nredirect_uri %s\noauth_url %s\n%s\n}\nreverse_proxy %s\n",
		testClientID, testClientSecret, strings.Join(uris, " "), w.zoom.URL, strings.Join(options, "\n"), w.upstream.addr))
}

func TestForeignHost(t *testing.T) {
	w := newWorld(t)
	w.load(w.httpsSite([]string{siteOrigin, otherOrigin}))

	t.Run("each host has its own callback", func(t *testing.T) {
		for _, origin := range []string{siteOrigin, otherOrigin} {
			b := w.browserAt(origin)
			if got := b.signIn("/x", "user-ada").received(t); got.URI != "/x" || "https://"+got.Host != origin {
				t.Errorf("%s: came back to %s%s", origin, got.Host, got.URI)
			}
		}
	})
	t.Run("a default port and another case are the same host", func(t *testing.T) {
		for _, host := range []string{"app.example.com:443", "APP.example.com"} {
			b := w.browserAt(siteOrigin)
			r := b.request("GET", "/x", navigate...)
			r.Host = host
			if a := b.do(r); !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
				t.Errorf("%s was sent to %q", host, a.Header.Get("Location"))
			}
		}
	})
	t.Run("a foreign host is sent to the first one", func(t *testing.T) {
		b := w.browserAt("https://old.example.net")
		a := b.open("/deep/%7Epage?x=1&y=%20")
		wantRedirect(t, a, siteOrigin+"/deep/%7Epage?x=1&y=%20")
		if c := a.Cookies(); len(c) != 1 || c[0].MaxAge != 10 || c[0].Domain != "" {
			t.Errorf("cookies: %v", c)
		}
		if a := w.browserAt("https://old.example.net").fetch("GET", "/api"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a fetch: got %d", a.StatusCode)
		}
		wantRedirect(t, w.browserAt("https://old.example.net").open("/zoom_pkce/login?return_to=/x"), siteOrigin+"/zoom_pkce/login?return_to=/x")
	})
	t.Run("a proxy that rewrites Host does not make it go round", func(t *testing.T) {
		b := w.browserAt(siteOrigin)
		rewritten := func(target string) answer {
			r := b.request("GET", target, navigate...)
			r.Host = "10.0.0.7:8080"
			return b.do(r)
		}
		wantRedirect(t, rewritten("/x"), siteOrigin+"/x")
		callback := b.consent(rewritten("/x"), "user-ada")
		wantRedirect(t, rewritten(callback), "/x")
		if got := rewritten("/x").received(t).Header.Get("X-Zoom-User-Id"); got != "user-ada" {
			t.Errorf("signed in as %q", got)
		}
	})
	t.Run("what a client says about its host decides nothing", func(t *testing.T) {
		b := w.browserAt(siteOrigin)
		a := b.open("/x", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-Uri", "//evil.example",
			"X-Forwarded-Prefix", "/evil", "Forwarded", "host=evil.example", "Referer", "javascript:alert(1)//", "X-Forwarded-For", "1.3.3.4",
			"User-Agent", "GoogleHC/1.0")
		location := a.Header.Get("Location")
		if !strings.HasPrefix(location, w.zoom.URL) || strings.Contains(location, "evil") {
			t.Errorf("sent to %q", location)
		}
		wantRedirect(t, b.open(b.consent(a, "user-ada")), "/x")
	})
}

// A front proxy may drop the port from Host. A name that one redirect URI has is
// told apart all the same.
func TestHostWithoutItsPort(t *testing.T) {
	w := newWorld(t)
	origins := []string{"https://app.example.com:8443", "https://other.example.com:8443", "https://two.example.com:8443", "https://two.example.com:9443"}
	w.load(w.httpsSite(origins))
	sentTo := func(host string) string {
		b := w.browserAt(origins[0])
		r := b.request("GET", "/x", navigate...)
		r.Host = host
		location, err := url.Parse(b.do(r).Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if uri := location.Query().Get("redirect_uri"); uri != "" {
			return uri
		}
		return location.String()
	}
	for host, want := range map[string]string{
		"app.example.com":        origins[0] + "/zoom_pkce/callback",
		"Other.example.com":      origins[1] + "/zoom_pkce/callback",
		"two.example.com:9443":   origins[3] + "/zoom_pkce/callback",
		"two.example.com":        origins[0] + "/x", // which of the two, nobody knows
		"other.example.com:9443": origins[0] + "/x",
	} {
		if got := sentTo(host); got != want {
			t.Errorf("%s was sent to %s, want %s", host, got, want)
		}
	}
	// And with a cookie for the domain, the way back has its port again.
	w.load(w.httpsSite(origins, "cookie {\ndomain example.com\n}"))
	b := w.browserAt("https://other.example.com:8443")
	proxied := func(target string) answer {
		r := b.request("GET", target, navigate...)
		r.Host = "other.example.com"
		return b.do(r)
	}
	wantRedirect(t, proxied(b.consent(proxied("/x"), "user-ada")), "https://other.example.com:8443/x")
}

// The rule is about page loads of people; programs and closed sites get their
// 401, open ones their page.
func TestForeignHostInOtherModes(t *testing.T) {
	for mode, want := range map[string]int{"page": http.StatusSeeOther, "reject": http.StatusUnauthorized, "pass": http.StatusOK} {
		w := newWorld(t)
		w.load(w.behindTLS("unauthenticated " + mode))
		if a := w.browserAt("https://old.example.net").open("/"); a.StatusCode != want {
			t.Errorf("%s: got %d, want %d", mode, a.StatusCode, want)
		}
	}
}

func TestHostsOfACookieDomain(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS("cookie {\ndomain example.com\n}"))
	b := w.browserAt("https://team.example.com")
	a := b.open("/x?y=1")
	if c := a.Cookies()[0]; c.Domain != "example.com" || !strings.HasPrefix(c.Name, "__Secure-zoom_pkce_") {
		t.Errorf("cookie %v", c)
	}
	// The callback is on another host than the page the visitor wants to see.
	wantRedirect(t, b.open(b.consent(a, "user-ada")), "https://team.example.com/x?y=1")
	if got := b.open("https://team.example.com/x").received(t).Header.Get("X-Zoom-User-Id"); got != "user-ada" {
		t.Errorf("signed in as %q", got)
	}
	for wish, want := range map[string]string{
		"https://team.example.com/y":             "https://team.example.com/y",
		"https://example.com.evil.example/y":     "/",
		"https://evilexample.com/y":              "/",
		"https://team.example.com@evil.example/": "/",
		"http://team.example.com/y":              "/",
	} {
		a := b.open("/zoom_pkce/login?return_to=" + strings.NewReplacer(":", "%3A", "/", "%2F", "@", "%40").Replace(wish))
		wantRedirect(t, b.open(b.consent(a, "user-bob")), want)
	}
	// Outside of the domain no cookie could be set.
	wantRedirect(t, w.browserAt("https://example.net").open("/x"), siteOrigin+"/x")
}

// A proxy may have several names for us. Whoever comes back with one after the
// other is not on another host, and must not be sent round for ever; whoever comes
// back with a second one may be.
func TestProxyWithSeveralNames(t *testing.T) {
	w := newWorld(t)
	w.load(w.behindTLS())
	b := w.browserAt(siteOrigin)
	b.client.Jar = nil // keeps cookies by Host, and browsers by what their address bar says
	cookies := make(map[string]string)
	for i, toZoom := range []bool{false, false, true, true} {
		r := b.request(http.MethodGet, "/page", navigate...)
		r.Host = fmt.Sprintf("backend-%d.internal", i%2)
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		a := b.do(r)
		for _, c := range a.Cookies() {
			cookies[c.Name] = c.Value
		}
		if got := strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL); got != toZoom {
			t.Errorf("request %d: %d to %q", i, a.StatusCode, a.Header.Get("Location"))
		}
	}
}
