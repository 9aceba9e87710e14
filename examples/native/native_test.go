package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

func TestCheck(t *testing.T) {
	demotest.Check(t, run, nil,
		"you            Ada Lovelace, ada@example.com (aDa1815)\n",
		"the app says   Hello, Ada Lovelace\n",
		"ZAK            ", "SDK signature  ey", "All is well.",
	)
}

func start(t *testing.T) *rig {
	t.Helper()
	r, err := startRig(0)
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	return r
}

// With a site that runs the command line is alone, and a person follows the
// address that it prints.
func TestSite(t *testing.T) {
	r := start(t)
	t.Setenv("PATH", t.TempDir()) // no browser opens here
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	printed, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-site", r.url + "/"}, out, io.Discard)
		out.Close()
	}()
	lines := bufio.NewScanner(printed)
	for lines.Scan() {
		if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, r.url) {
			if err := r.person(ctx, address); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	rest := ""
	for lines.Scan() {
		rest += lines.Text() + "\n"
	}
	if err := <-done; err != nil || !strings.Contains(rest, "Hello, Ada Lovelace") {
		t.Errorf("error %v\n%s", err, rest)
	}
}

// Other pages in the browser can reach the port, too.
func TestOnlyTheAnswerOfThisSignInCounts(t *testing.T) {
	r := start(t)
	p, err := discover(t.Context(), r.url, clientID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.signIn(t.Context(), func(ctx context.Context, address string) error {
		asked, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := asked.Query()
		for name, answer := range map[string]url.Values{
			"another state":  {"code": {"x"}, "state": {"x"}, "iss": {r.url}},
			"no state":       {"code": {"x"}, "iss": {r.url}},
			"another server": {"code": {"x"}, "state": q["state"], "iss": {"https://other.example"}},
			"no server":      {"code": {"x"}, "state": q["state"]},
		} {
			resp, err := http.Get(q.Get("redirect_uri") + "?" + answer.Encode())
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: got %s", name, resp.Status)
			}
		}
		return r.person(ctx, address)
	})
	if err != nil || token.AccessToken == "" {
		t.Errorf("the sign-in that was begun: %v", err)
	}
}

func TestTheProgramRenewsItsToken(t *testing.T) {
	r := start(t)
	p, err := discover(t.Context(), r.url, clientID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.signIn(t.Context(), r.person)
	if err != nil {
		t.Fatal(err)
	}
	token = &oauth2.Token{AccessToken: "long gone", RefreshToken: token.RefreshToken, Expiry: time.Now().Add(-time.Hour)}
	if got, err := p.fetch(t.Context(), token); err != nil || got.user.ID != demo.Ada.ID {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDeclined(t *testing.T) {
	r := start(t)
	p, err := discover(t.Context(), r.url, clientID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.signIn(t.Context(), func(ctx context.Context, address string) error {
		v, err := demo.NewVisitor(ctx)
		if err != nil {
			return err
		}
		zoom, err := v.Open(address)
		if err != nil {
			return err
		}
		back, err := r.zoom.Decline(ctx, zoom.URL)
		if err != nil {
			return err
		}
		_, err = v.Open(back)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("got error %v", err)
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	r := start(t)
	r.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(http.StatusInternalServerError, ""))
	var out strings.Builder
	if err := r.check(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "/zak: 503") {
		t.Errorf("got error %v", err)
	}
	r.zoom.RemoveUser(demo.Ada.ID)
	r.zoom.RemoveUser(demo.Grace.ID)
	if err := r.check(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "consent page") {
		t.Errorf("got error %v", err)
	}
}

func TestMistakes(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-h"}, &out, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-site") {
		t.Errorf("help: %v\n%s", err, out.String())
	}
	for _, args := range [][]string{{"-site", "http://127.0.0.1:1", "-check"}, {"-site", "http://127.0.0.1:1", "-port", "8080"}} {
		if err := run(t.Context(), args, &out, &out); err == nil || !strings.Contains(err.Error(), "-site takes") {
			t.Errorf("%v: error %v", args, err)
		}
	}
	// RFC 8414, section 3.3: whoever calls itself otherwise may want the codes of another.
	r := start(t)
	alias := strings.Replace(r.url, "127.0.0.1", "localhost", 1)
	if err := run(t.Context(), []string{"-site", alias}, &out, &out); err == nil || !strings.Contains(err.Error(), "calls itself") {
		t.Errorf("a site by another name: error %v", err)
	}
}

func TestCaddyfileOfREADME(t *testing.T) {
	t.Setenv("ZOOM_CLIENT_ID", zoomID)
	t.Setenv("ZOOM_CLIENT_SECRET", zoomSecret)
	t.Setenv("ZOOM_ACCOUNT_ID", demo.Ada.AccountID)
	demotest.CheckCaddyfiles(t)
}

// A person's way in a real browser, which follows the answer of a form to a port
// of this machine only where the page's policy allows it.
func TestInABrowser(t *testing.T) {
	tab := demotest.Chromium(t)
	r := start(t)
	p, err := discover(t.Context(), r.url, clientID)
	if err != nil {
		t.Fatal(err)
	}
	thanks := make(chan string, 1)
	token, err := p.signIn(t.Context(), func(_ context.Context, address string) error {
		ctx, cancel := context.WithTimeout(tab, 30*time.Second)
		defer cancel()
		if err := chromedp.Do(ctx,
			chromedp.Navigate(address),
			chromedp.Click(chromedp.CSS(`input[value="`+demo.Grace.ID+`"]`)),
			chromedp.Click(chromedp.CSS(`button[value="allow"]`)),
			chromedp.WaitReady(chromedp.CSS(`input[name="consent"]`)),
			chromedp.Click(chromedp.CSS(`button[value="allow"]`)),
			chromedp.WaitVisible(chromedp.CSS("pre"))); err != nil {
			return err
		}
		text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("pre")))
		thanks <- text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := <-thanks; !strings.Contains(text, "You can close this window.") {
		t.Errorf("the browser ended on %q", text)
	}
	if got, err := p.fetch(t.Context(), token); err != nil || got.user.ID != demo.Grace.ID {
		t.Errorf("got %+v, %v", got, err)
	}
}
