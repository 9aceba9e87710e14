package e2e

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// TestZoomClient opens an app as the Zoom client's webview does.
func TestZoomClient(t *testing.T) {
	c := startChromium(t)
	w := newWebhookWorld(t)
	home := w.url + "/home#/start"
	w.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{home},
		WebhookURL: w.url + "/zoom_pkce/webhook", WebhookSecret: webhookSecret,
	})
	w.upstream.pages("")
	w.load(w.site("zoom_app {\nredirect_uri "+home+"\nsign_in_from_context on\n}", "webhook {\nsecret_token "+webhookSecret+"\n}"))
	page := w.url + "/deep?x=1#/route"
	exchanges := func(want int) {
		t.Helper()
		if n := w.zoom.Count(zoomtest.CallCode); n != want {
			t.Errorf("%d exchanges, want %d", n, want)
		}
	}

	ada := w.webview(c.person(t), "user-ada")
	ada.open(page)
	ada.wait("#app")
	ada.wantLocation(page)
	if got := ada.text("#app"); got != "/deep?x=1 for user-ada" {
		t.Errorf("the page says %q", got)
	}
	exchanges(1)

	// The same user in another client, known by the context.
	elsewhere := w.webview(c.person(t), "user-ada")
	elsewhere.open(page)
	elsewhere.wait("#app")
	elsewhere.wantLocation(page)
	exchanges(1)

	if _, err := w.zoom.Deauthorize(t.Context(), testClientID, "user-ada"); err != nil {
		t.Fatal(err)
	}
	ada.declines.Store(true)
	ada.do("opening the page again", chromedp.Reload())
	ada.wait("#go")
	if got := ada.text("#message"); got != "Zoom ended the sign-in without giving permission." {
		t.Errorf("the page says %q", got)
	}
	exchanges(1)
	ada.declines.Store(false)
	ada.click("#go")
	ada.wait("#app")
	ada.wantLocation(page)
	exchanges(2)
}

// webview is a tab of the Zoom client that shows an app.
type webview struct {
	*tab
	w        *world
	userID   string
	declines atomic.Bool
}

// sdkStub is served in place of Zoom's SDK. What it is asked for goes to the
// test, which is the client.
const sdkStub = `window.zoomSdk = {
	config: function (options) {
		if (options.version !== "0.16" || options.capabilities.join() !== "authorize,onAuthorized") throw new Error("config");
		return Promise.resolve({ clientVersion: "6.6.0", auth: { status: "authorized" } });
	},
	onAuthorized: function (handler) { window.clientEvent = handler; },
	authorize: function (options) {
		options.page = location.href;
		askClient(JSON.stringify(options));
		return Promise.resolve({ message: "Success" });
	}
};`

// webview opens a tab that is told apart from a browser's by its User-Agent
// and by the app context that its requests for pages carry.
func (w *world) webview(p *person, userID string) *webview {
	w.t.Helper()
	v := &webview{tab: p.tab(), w: w, userID: userID}
	target := chromedp.FromContext(v.ctx).Target
	_, err := cdp.Call(v.ctx, target, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: zoomUserAgent})
	if err == nil {
		_, err = cdp.Call(v.ctx, target, runtime.AddBinding, runtime.AddBindingParams{Name: "askClient"})
	}
	requests, calls := chromedp.Events(v.ctx, fetch.RequestPaused), chromedp.Events(v.ctx, runtime.BindingCalled)
	go func() {
		for request, err := range requests {
			if err != nil || v.answer(target, request) != nil {
				return // the tab is closed
			}
		}
	}()
	go func() {
		for call, err := range calls {
			if err != nil {
				return
			}
			v.authorize(call.Payload)
		}
	}()
	if err == nil {
		_, err = cdp.Call(v.ctx, target, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
			{URLPattern: sdkURL}, {ResourceType: "Document"},
		}})
	}
	if err != nil {
		w.t.Fatal("opening a webview: ", err)
	}
	return v
}

// answer answers a request for the SDK, and adds the context to one for a page.
func (v *webview) answer(target *chromedp.Target, request fetch.EventRequestPaused) error {
	if request.Request.URL == sdkURL {
		_, err := cdp.Call(v.ctx, target, fetch.FulfillRequest, fetch.FulfillRequestParams{
			RequestID: request.RequestID, ResponseCode: 200, Body: []byte(sdkStub),
			ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "text/javascript"}},
		})
		return err
	}
	headers := []*fetch.HeaderEntry{{Name: contextHeader, Value: v.w.context(zoomtest.AppContext{UID: v.userID})}}
	for name, value := range request.Request.Headers {
		headers = append(headers, &fetch.HeaderEntry{Name: name, Value: fmt.Sprint(value)})
	}
	_, err := cdp.Call(v.ctx, target, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: request.RequestID, Headers: headers})
	return err
}

// authorize is what the client does when the SDK asks for a code.
func (v *webview) authorize(call string) {
	var options struct{ CodeChallenge, State, Page string }
	if err := json.Unmarshal([]byte(call), &options); err != nil {
		v.t.Error(err)
		return
	}
	event := v.w.zoom.InClientDecline(options.State, options.Page)
	if !v.declines.Load() {
		var err error
		event, err = v.w.zoom.InClientAuthorize(testClientID, v.userID, options.CodeChallenge, options.State, options.Page)
		if err != nil {
			v.t.Errorf("authorize on %s: %v", options.Page, err)
			return
		}
	}
	encoded, err := json.Marshal(event)
	if err != nil {
		v.t.Error(err)
		return
	}
	// Not at once: the event comes when the person has decided.
	time.Sleep(20 * time.Millisecond)
	v.do("telling the page", chromedp.Evaluate[chromedp.Void]("clientEvent("+string(encoded)+")"))
}
