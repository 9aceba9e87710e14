package main

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium that reaches 127.0.0.1 and nothing else.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	outgoing []*network.Request // requests to anywhere else, in order
	console  []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		// What is not intercepted below, such as the requests of workers, finds
		// no address.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WindowSize(1100, 900),
	)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancelAllocator)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(cancelTab)
	b := &browser{t: t, ctx: ctx}
	paused := chromedp.Events(ctx, fetch.RequestPaused)
	console := chromedp.Console(ctx)
	if _, err := chromedp.Call(ctx, fetch.Enable, fetch.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	go b.cutOff(paused)
	go b.keep(console)
	return b
}

// cutOff lets no request through but to 127.0.0.1, and keeps the others.
func (b *browser) cutOff(paused iter.Seq2[fetch.EventRequestPaused, error]) {
	for e, err := range paused {
		if err != nil {
			return
		}
		if strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") || strings.HasPrefix(e.Request.URL, "blob:") {
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
			continue
		}
		b.mu.Lock()
		b.outgoing = append(b.outgoing, e.Request)
		b.mu.Unlock()
		_, _ = chromedp.Call(b.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonInternetDisconnected})
	}
}

func (b *browser) keep(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range console {
		if err != nil {
			return
		}
		b.mu.Lock()
		b.console = append(b.console, string(m.Type)+": "+m.Text)
		b.mu.Unlock()
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%v\nconsole:\n%s", err, strings.Join(b.console, "\n"))
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "there is no Chromium")
	return ""
}

// missing skips a test that something is missing for, unless nothing may be.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ZOOM_PKCE_E2E") == "1" {
		t.Fatal(what)
	}
	t.Skip(what + "; with ZOOM_PKCE_E2E=1 that is a failure")
}

func TestExplore(t *testing.T) {
	d, err := startDemo(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	b := newBrowser(t)
	shot := func(name string) {
		png, _ := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		_ = os.WriteFile(filepath.Join("/tmp/shots", name), png, 0o644)
	}
	b.run(
		chromedp.Navigate(d.url),
		chromedp.WaitVisible(`button[value="allow"]`),
	)
	shot("consent.png")
	b.run(
		chromedp.Click(`button[value="allow"]`),
		chromedp.WaitVisible(`#who`),
	)
	shot("page.png")
	b.run(
		chromedp.SendKeys(`[name=meeting]`, "123 4567 8901"),
		chromedp.SendKeys(`[name=passcode]`, "pass"),
		chromedp.Click(`button.main`),
		chromedp.Sleep(6*time.Second),
	)
	shot("joined.png")
	txt, _ := chromedp.Run(b.ctx, chromedp.Text("body"))
	t.Log(txt)
	for _, r := range b.outgoing {
		t.Logf("%s %s %v %v", r.Method, r.URL, r.Headers["X"], func() (s string) { for _, e := range r.PostDataEntries { s += string(e.Bytes) }; return }())
	}
	t.Log(strings.Join(b.console, "\n"))
}
