package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// context is an app context of a user, as Zoom's client sends it.
func (w *world) context(c zoomtest.AppContext) string {
	return w.zoom.AppContext(testClientID, c)
}

func TestSignInFromContext(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app {\nsign_in_from_context on\n}"))
	if a := w.browser().open("/", contextHeader, w.context(zoomtest.AppContext{UID: "user-ada"})); !a.isInClientPage(t) {
		t.Fatalf("a user never seen got %d\n%s", a.StatusCode, a.body)
	}
	first := w.browser()
	first.signInInside("user-ada")

	b := w.browser()
	context := w.context(zoomtest.AppContext{UID: "user-ada", URLSafe: true})
	for range 2 { // The second time the browser has a session.
		a := b.open("/a", contextHeader, context)
		if got := a.received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got.Get("X-Zoom-Access-Token") == "" || got.Get("X-Zoom-Zak") == "" {
			t.Fatalf("the upstream got %q", got)
		}
	}
	if !w.isSignedIn(b) || !w.isSignedIn(first) {
		t.Error("a session was lost")
	}
	if a := w.browser().open("/a", contextHeader, context); !a.isInClientPage(t) || len(a.Header["Set-Cookie"]) > 0 {
		t.Errorf("a replay got %d with %q", a.StatusCode, a.Header["Set-Cookie"])
	}
	// The same context in other letters.
	envelope, err := base64.RawURLEncoding.DecodeString(context)
	if err != nil {
		t.Fatal(err)
	}
	if a := w.browser().open("/a", contextHeader, base64.StdEncoding.EncodeToString(envelope)); !a.isInClientPage(t) {
		t.Errorf("a replay in base64 got %d", a.StatusCode)
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestContextThatOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.zoom.AddApp(zoomtest.App{ClientID: "another-app", ClientSecret: "another-secret"})
	w.load(w.site("zoom_app {\nsign_in_from_context on\n}"))
	first := w.browser()
	first.signInInside("user-ada")
	ada := zoomtest.AppContext{UID: "user-ada"}
	good := w.context(ada)
	for name, header := range map[string][]string{
		"forged":               {contextHeader, strings.Repeat("A", 200)},
		"nonsense":             {contextHeader, "{}"},
		"truncated":            {contextHeader, good[:len(good)/2]},
		"with a lie in it":     {contextHeader, base64.StdEncoding.EncodeToString(append([]byte{12}, make([]byte, 90)...))},
		"giant":                {contextHeader, strings.Repeat("A", 9_000)},
		"expired":              {contextHeader, w.context(zoomtest.AppContext{UID: "user-ada", TS: time.Now().Add(-121 * time.Second)})},
		"with a long promise":  {contextHeader, w.context(zoomtest.AppContext{UID: "user-ada", TS: time.Now().Add(-time.Hour), Exp: time.Now().Add(time.Hour)})},
		"from the future":      {contextHeader, w.context(zoomtest.AppContext{UID: "user-ada", TS: time.Now().Add(time.Hour)})},
		"another app's":        {contextHeader, w.zoom.AppContext("another-app", ada)},
		"for another app":      {contextHeader, w.context(zoomtest.AppContext{UID: "user-ada", Aud: "another-app"})},
		"of a guest":           {contextHeader, w.context(zoomtest.AppContext{})},
		"of a stranger":        {contextHeader, w.context(zoomtest.AppContext{UID: "user-bob"})},
		"by a frame":           {contextHeader, good, "Sec-Fetch-Dest", "iframe"},
		"by a prefetch":        {contextHeader, good, "Sec-Purpose", "prefetch"},
		"by a script":          {contextHeader, good, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"by an image":          {contextHeader, good, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"by a WebSocket":       {contextHeader, good, "Connection", "Upgrade", "Upgrade", "websocket"},
		"by an endpoint of us": {contextHeader, good},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			path := "/"
			if strings.HasPrefix(name, "by an endpoint") {
				path = "/zoom_pkce/session"
			}
			before := w.upstream.requests.Load()
			a := b.open(path, header...)
			if a.StatusCode != http.StatusUnauthorized && !a.isInClientPage(t) {
				t.Errorf("got %d\n%s", a.StatusCode, a.body)
			}
			if len(b.cookies()) > 0 || w.upstream.requests.Load() != before {
				t.Errorf("got cookies %q", b.cookies())
			}
		})
	}
	// None of these has used up the good one.
	if got := w.browser().open("/", contextHeader, good).received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" {
		t.Errorf("the upstream got %q", got)
	}
	r := first.request(http.MethodGet, "/", navigate...)
	r.Header[contextHeader] = []string{w.context(ada), w.context(ada)}
	if a := w.browser().do(r); !a.isInClientPage(t) {
		t.Errorf("two contexts got %d", a.StatusCode)
	}
}

func TestContextDoesNotUndoAnEnd(t *testing.T) {
	for name, end := range map[string]func(*world, *browser){
		"sign-out": func(w *world, b *browser) {
			if a := b.fetch(http.MethodPost, "/zoom_pkce/logout"); a.StatusCode != http.StatusSeeOther {
				w.t.Fatalf("got %d", a.StatusCode)
			}
		},
		"deauthorization": func(w *world, _ *browser) {
			resp, err := w.zoom.Deauthorize(w.t.Context(), testClientID, "user-ada")
			if err != nil || resp.StatusCode != http.StatusOK {
				w.t.Fatalf("got %v, %v", resp, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebhookWorld(t)
			w.load(w.site("zoom_app {\nsign_in_from_context on\n}", "webhook {\nsecret_token "+webhookSecret+"\n}"))
			b := w.browser()
			b.signInInside("user-ada")
			end(w, b)
			for range 2 {
				a := w.browser().open("/", contextHeader, w.context(zoomtest.AppContext{UID: "user-ada"}))
				if !a.isInClientPage(t) {
					t.Errorf("got %d\n%s", a.StatusCode, a.body)
				}
			}
			if w.isSignedIn(b) {
				t.Error("still signed in")
			}
		})
	}
}

func TestSignInFromContextIsOffByDefault(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app"))
	w.browser().signInInside("user-ada")
	if a := w.browser().open("/", contextHeader, w.context(zoomtest.AppContext{UID: "user-ada"})); !a.isInClientPage(t) {
		t.Errorf("got %d\n%s", a.StatusCode, a.body)
	}
}

func TestAllowAppliesToContexts(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app {\nsign_in_from_context on\n}", "allow {\nuser_id user-bob\n}"))
	w.browser().signInInside("user-ada")
	a := w.browser().open("/", contextHeader, w.context(zoomtest.AppContext{UID: "user-ada"}))
	if a.StatusCode != http.StatusForbidden || w.upstream.requests.Load() > 0 {
		t.Errorf("got %d", a.StatusCode)
	}
}

func TestContextPlaceholders(t *testing.T) {
	w := newWorld(t)
	w.load(w.caddyfile("zoom_pkce {\n" + w.options() + "zoom_app\nunauthenticated pass\n}\n" +
		"request_header X-Context \"{http.zoom_pkce.app_context.uid}|{http.zoom_pkce.app_context.mid}|" +
		"{http.zoom_pkce.app_context.typ}|{http.zoom_pkce.app_context.act}\"\nreverse_proxy " + w.upstream.addr))
	b := w.browser()
	for name, test := range map[string]struct{ header, want string }{
		"all": {
			w.context(zoomtest.AppContext{UID: "u", MID: "m/1==", Typ: "meeting", Act: "{env.HOME}\r\nX-Evil: 1"}),
			"u|m/1==|meeting|{env.HOME}X-Evil: 1",
		},
		"guest":  {w.context(zoomtest.AppContext{Typ: "panel"}), "||panel|"},
		"forged": {"forged", "|||"},
		"none":   {"", "|||"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request(http.MethodGet, "/", navigate...)
			if test.header != "" {
				r.Header.Set(contextHeader, test.header)
			}
			if got := b.do(r).received(t).Header.Get("X-Context"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
