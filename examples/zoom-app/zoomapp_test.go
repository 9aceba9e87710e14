package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const patience = 30 * time.Second

// TestInTheClient goes through the demo in a real browser: Zoom's SDK from npm
// speaks with the page that stands in for the client.
func TestInTheClient(t *testing.T) {
	b := &browser{t, demotest.Chromium(t)}
	r, err := startRig(0, installSDK(t))
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	exchanges := func(want int) {
		t.Helper()
		if got := r.zoom.Count(zoomtest.CallCode); got != want {
			t.Fatalf("%d exchanges of codes, want %d", got, want)
		}
	}

	b.do("opening the client", chromedp.Navigate(r.url+clientPath))
	b.click("#decline")
	b.inApp("#message", "Zoom ended the sign-in without giving permission.")
	b.clickInApp("#go")
	b.click("#allow")
	b.inApp("#hello", "Hello, Ada Lovelace")
	b.inApp("#context", "meeting dJb3LtRRSbqQ/0pIhNuD2A==")
	b.inApp("#running", "inMeeting")
	exchanges(1)

	// At another computer the app context is enough.
	b.leave("#move")
	b.inApp("#hello", "Hello, Ada Lovelace")
	exchanges(1)

	// Not for somebody the app has never seen.
	b.leaveAs("gRace1906")
	b.click("#allow")
	b.inApp("#hello", "Hello, Grace Hopper")
	exchanges(2)

	// Who removes the app is signed out, and asked again.
	b.leave("#remove")
	b.click("#allow")
	b.inApp("#hello", "Hello, Grace Hopper")
	exchanges(3)
	b.leaveAs("aDa1815")
	b.inApp("#hello", "Hello, Ada Lovelace")
	exchanges(3)
}

// installSDK has npm install what package-lock.json names, away from the
// repository.
func installSDK(t *testing.T) sdk {
	t.Helper()
	if s, err := readSDK("."); err == nil {
		return s
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		content, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var output strings.Builder
	if err := install(ctx, dir, &output); err != nil {
		demotest.Missing(t, err.Error()+"\n"+output.String())
	}
	s, err := readSDK(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

func TestLockNamesNoRegistry(t *testing.T) { demotest.CheckLock(t) }

// browser is a window of Chromium with the client in it.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v; the app is at %s", what, err, b.eval("frames[0].location.href + ': ' + frames[0].document.body.innerText"))
	}
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// eval runs a script in the client's page and returns its text.
func (b *browser) eval(script string) string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	if err != nil {
		return err.Error()
	}
	return text
}

// inApp waits until an element of the app's frame has a text.
func (b *browser) inApp(selector, want string) {
	b.t.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = b.eval("frames[0].document.querySelector('" + selector + "')?.textContent ?? frames[0].location.href + ': ' + frames[0].document.body?.innerText")
		if got == want {
			return
		}
	}
	b.t.Fatalf("%s in the app is %q, want %q", selector, got, want)
}

func (b *browser) clickInApp(selector string) {
	b.t.Helper()
	b.do("clicking in the app", chromedp.Evaluate[chromedp.Void]("frames[0].document.querySelector('"+selector+"').click()"))
}

// leave does something that opens the app anew, and waits until the page that
// was there is gone.
func (b *browser) leave(selector string) {
	b.t.Helper()
	b.leaveBy("document.querySelector('" + selector + "').click()")
}

func (b *browser) leaveAs(userID string) {
	b.t.Helper()
	b.leaveBy("document.querySelector('#user').value = '" + userID + "'; document.querySelector('#user').dispatchEvent(new Event('change'))")
}

func (b *browser) leaveBy(script string) {
	b.t.Helper()
	b.do("leaving the app", chromedp.Evaluate[chromedp.Void]("frames[0].document.body.remove(); "+script))
}
