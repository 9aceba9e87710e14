package main

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
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
	c := &chromium{t, demotest.Chromium(t), make(chan outgoing, 100)}
	paused := chromedp.Events(c.ctx, fetch.RequestPaused)
	if _, err := chromedp.Call(c.ctx, fetch.Enable, fetch.EnableParams{}); err != nil {
		t.Fatal("intercepting requests: ", err)
	}
	go c.cutOff(paused)
	return c
}

// cutOff lets requests pass to 127.0.0.1 only. Those of workers do not come here,
// but find nobody else either.
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
