package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
)

// site is a Caddy with the printed Caddyfile, in front of an app that tells what
// it received, and a visitor of it.
type site struct {
	*rig
	t      *testing.T
	client *http.Client
}

func newSite(t *testing.T, public bool) *site {
	t.Helper()
	addr, err := demo.FreeAddress(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := startRig(0, "http://"+addr+"/zoom_pkce/callback", "", public)
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s, zak %t%s", r.Header.Get("X-Zoom-User-Id"), r.Header.Get("X-Zoom-Zak") != "", r.Header.Get("X-Zoom-Zak-Error"))
	}))
	t.Cleanup(func() {
		if err := errors.Join(demo.StopCaddy(), r.stop()); err != nil {
			t.Error(err)
		}
		app.Close()
	})
	caddyfile := strings.Replace(strings.TrimPrefix(r.caddyfile(), globalOptions), "localhost:3000", strings.TrimPrefix(app.URL, "http://"), 1)
	if err := demo.StartCaddy(demo.GlobalOptions(t.TempDir(), "http.handlers.zoom_pkce", "http.log.error") + caddyfile); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &site{r, t, &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// open loads a page, with what tells that from an API call.
func (s *site) open(address string) (status int, location, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return s.do(r)
}

func (s *site) do(r *http.Request) (status int, location, body string) {
	s.t.Helper()
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(b)
}

// signIn goes to Zoom and comes back, and returns the answer to that.
func (s *site) signIn() (status int, body string) {
	s.t.Helper()
	_, authorize, _ := s.open(s.site + "/")
	back, err := s.zoom.SignIn(s.t.Context(), authorize, demo.Ada.ID)
	if err != nil {
		s.t.Fatalf("opening %s: %v", authorize, err)
	}
	status, _, body = s.open(back)
	return status, body
}

// form sends one of the panel's, as curl -d does.
func (s *site) form(form string) (status int, said string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.zoom.URL+"/trouble", strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _, said = s.do(r)
	return status, said
}

func (s *site) page(want string) {
	s.t.Helper()
	if status, _, body := s.open(s.site + "/"); status != http.StatusOK || body != want {
		s.t.Errorf("the app answered %d %q, want %q", status, body, want)
	}
}

const withZAK = "user aDa1815, zak true"

func TestThePrintedLinesWork(t *testing.T) {
	for _, public := range []bool{false, true} {
		s := newSite(t, public)
		if strings.Contains(s.caddyfile(), "client_secret") == public {
			t.Errorf("public %v:\n%s", public, s.caddyfile())
		}
		if status, body := s.signIn(); status != http.StatusSeeOther {
			t.Fatalf("coming back: %d %s", status, body)
		}
		s.page(withZAK)
	}
}

// Each trouble can be seen, and is over when it is switched off.
func TestTroubles(t *testing.T) {
	for name, seen := range map[string]func(*site){
		"scope": func(s *site) {
			s.signIn()
			s.page("user aDa1815, zak falsemissing_scope")
			s.signIn() // asks Zoom once more
			s.page("user aDa1815, zak falsemissing_scope")
		},
		"limit": func(s *site) {
			s.signIn()
			s.page("user aDa1815, zak falsezoom_rate_limited")
		},
		"secret":      func(s *site) { s.refused(http.StatusBadGateway) },
		"daily-limit": func(s *site) { s.refused(http.StatusServiceUnavailable) },
		"down": func(s *site) {
			_, authorize, _ := s.open(s.site + "/")
			if status, _, _ := s.open(authorize); status != http.StatusServiceUnavailable {
				s.t.Errorf("Zoom answered %d", status)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false)
			if status, said := s.form("on=" + name); status != http.StatusSeeOther || said == "" {
				t.Fatalf("switched on: %d %s", status, said)
			}
			if _, _, body := s.open(s.zoom.URL + "/trouble"); !strings.Contains(body, `name="off" value="`+name+`"`) {
				t.Errorf("the page does not show it:\n%s", body)
			}
			seen(s)
			if status, said := s.form("off=" + name); status != http.StatusSeeOther || !strings.Contains(said, "not any more") {
				t.Fatalf("switched off: %d %s", status, said)
			}
			if name != "limit" { // which the directive honours for a while
				s.client.Jar, _ = cookiejar.New(nil)
				s.signIn()
				s.page(withZAK)
			}
		})
	}
}

func (s *site) refused(want int) {
	s.t.Helper()
	if status, body := s.signIn(); status != want {
		s.t.Errorf("coming back: %d %s", status, body)
	}
}

func TestActs(t *testing.T) {
	s := newSite(t, false)
	signedOut := func() bool {
		status, _, _ := s.open(s.site + "/")
		return status == http.StatusSeeOther
	}
	s.signIn()
	for _, tc := range []struct {
		form, said string
		ends       bool
	}{
		{"do=endpoint.url_validation", "endpoint.url_validation: done", false},
		{"do=recording.completed&user=aDa1815", "recording.completed: the webhook answered 200 OK", false},
		{"do=expire&user=aDa1815", "expire: done", false},
		{"do=app_deauthorized&user=aDa1815", "app_deauthorized: the webhook answered 200 OK", true},
		{"do=app_deauthorized&user=nobody", "app_deauthorized: there is no user with id nobody", true},
	} {
		if status, said := s.form(tc.form); status != http.StatusSeeOther || said != tc.said+"\n" {
			t.Errorf("%s: %d %s", tc.form, status, said)
		}
		if signedOut() != tc.ends {
			t.Errorf("%s: signed out %v", tc.form, !tc.ends)
		}
	}
}

func TestPanel(t *testing.T) {
	s := newSite(t, false)
	_, _, body := s.open(s.zoom.URL + "/trouble")
	for _, want := range []string{"Ada Lovelace", "Grace Hopper", s.site + "/zoom_pkce/webhook", "Add the app"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, form := range []string{"", "on=nothing", "off=nothing", "do=nothing"} {
		if status, said := s.form(form); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", form, status, said)
		}
	}
	r, err := http.NewRequest(http.MethodPost, s.zoom.URL+"/trouble", strings.NewReader("on=down"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _, _ := s.do(r); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
}

func TestCommandLine(t *testing.T) {
	demotest.CommandLine(t, run)
	var out, errs strings.Builder
	if err := run(t.Context(), []string{"-h"}, &out, &errs); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got error %v", err)
	}
	for _, want := range []string{"simulated Zoom for a Caddyfile of your own", "-port", "-redirect-uri", "-webhook", "-public"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, errs.String())
		}
	}
	for want, args := range map[string][]string{
		"no http or https URL": {"-redirect-uri", "127.0.0.1:8080/zoom_pkce/callback"},
	} {
		if err := run(t.Context(), args, &out, &errs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("printed %s", out.String())
	}
}

// What is printed names the addresses that the flags chose.
func TestWelcome(t *testing.T) {
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-port", "0", "-redirect-uri", "https://app.example/in"}, write, io.Discard)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	buf := make([]byte, 1<<16)
	n, err := read.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	printed := string(buf[:n])
	for _, want := range []string{"https://app.example {\n\tzoom_pkce {", "redirect_uri https://app.example/in", "client_id zoom-example", "/trouble"} {
		if !strings.Contains(printed, want) {
			t.Errorf("the output lacks %q:\n%s", want, printed)
		}
	}
	_, address, _ := strings.Cut(printed, "oauth_url ")
	address, _, _ = strings.Cut(address, "\n")
	if u, err := url.Parse(address); err != nil || u.Hostname() != "127.0.0.1" {
		t.Fatalf("Zoom's address is %q, %v", address, err)
	}
	resp, err := http.Get(address + troublePath)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(page), "https://app.example/zoom_pkce/webhook") {
		t.Errorf("the page of troubles: %v\n%s", err, page)
	}
}
