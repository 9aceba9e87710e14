package main

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// chromium is one tab of a Chromium that reaches 127.0.0.1 and nothing else.
type chromium struct {
	t        *testing.T
	ctx      context.Context
	outgoing chan outgoing // what the page wanted from anywhere else
}

// outgoing is a request to somebody who cannot be reached.
type outgoing struct {
	method, url string
	form        url.Values
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	path := findChromium(t)
	profile := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	ctx, stop := chromedp.NewExecAllocator(ctx, append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // it cannot run as root, as CI does
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		// Requests of workers are not intercepted: they find no address.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)...)
	ctx, leave := chromedp.NewContext(ctx)
	c := &chromium{t, ctx, make(chan outgoing, 100)}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Log("closing the browser:", err)
		}
		leave()
		stop()
		cancel()
		// Its children may write for a moment longer, and TempDir does not wait.
		for range 100 {
			if os.RemoveAll(profile) == nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	})
	paused := chromedp.Events(ctx, fetch.RequestPaused)
	if _, err := chromedp.Call(ctx, fetch.Enable, fetch.EnableParams{}); err != nil {
		t.Fatal("starting the browser: ", err)
	}
	go c.cutOff(paused)
	return c
}

// cutOff lets requests pass to 127.0.0.1 only.
func (c *chromium) cutOff(paused iter.Seq2[fetch.EventRequestPaused, error]) {
	for e, err := range paused {
		if err != nil {
			return
		}
		if u, err := url.Parse(e.Request.URL); err == nil && u.Hostname() == "127.0.0.1" {
			_, _ = chromedp.Call(c.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
			continue
		}
		_, _ = chromedp.Call(c.ctx, fetch.FailRequest, fetch.FailRequestParams{
			RequestID: e.RequestID, ErrorReason: network.ErrorReasonInternetDisconnected,
		})
		var body strings.Builder
		for _, part := range e.Request.PostDataEntries {
			body.Write(part.Bytes)
		}
		form, _ := url.ParseQuery(body.String()) // whatever is no form has no values
		select {
		case c.outgoing <- outgoing{e.Request.Method, e.Request.URL, form}:
		case <-c.ctx.Done():
			return
		}
	}
}

// wanted waits for a request to an address elsewhere.
func (c *chromium) wanted(url string) outgoing {
	c.t.Helper()
	for {
		select {
		case o := <-c.outgoing:
			if o.url == url && o.method == http.MethodPost {
				return o
			}
			c.t.Errorf("the page also wanted %s %s", o.method, o.url)
		case <-time.After(30 * time.Second):
			text, _ := chromedp.Run(c.ctx, chromedp.Text(chromedp.CSS("body")))
			c.t.Fatalf("nothing was sent to %s; the page says:\n%s", url, text)
		}
	}
}

// onEveryPage runs a script before those of any page.
func (c *chromium) onEveryPage(script string) {
	c.t.Helper()
	if _, err := chromedp.Call(c.ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chromium) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		text, _ := chromedp.Run(c.ctx, chromedp.Text(chromedp.CSS("body")))
		c.t.Fatalf("%s: %v; the page says:\n%s", what, err, text)
	}
}

func (c *chromium) text(selector string) string {
	c.t.Helper()
	text, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		c.t.Fatalf("reading %s: %v", selector, err)
	}
	return text
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "there is no Chromium")
	return ""
}

// missing skips a test for want of something, unless nothing may be wanting.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ZOOM_PKCE_E2E") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}
