package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// hotRequest serves one request of a signed-in browser by the handler given,
// ready as a server makes it.
func hotRequest(cookie string, handler caddyhttp.MiddlewareHandler) func() int {
	arrived := false
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		arrived = r.Header.Get("X-Zoom-User-Id") != ""
		return nil
	})
	return func() int {
		arrived = false
		r := httptest.NewRequest("GET", "/app", nil)
		r.Header = http.Header{
			"Accept": {"*/*"}, "Accept-Language": {"en"}, "User-Agent": {"Mozilla/5.0"}, "Cookie": {cookie}, "Connection": {"keep-alive"},
			"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"},
		}
		w := httptest.NewRecorder()
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		var err error
		if handler == nil {
			err = next(w, r)
		} else {
			err = handler.ServeHTTP(w, r, next)
		}
		if err != nil || arrived != (handler != nil) {
			return 1
		}
		return 0
	}
}

func handlerIn(list caddyhttp.RouteList) *Handler {
	for i := range list {
		for _, handler := range list[i].Handlers {
			switch h := handler.(type) {
			case *Handler:
				return h
			case *caddyhttp.Subroute:
				if inside := handlerIn(h.Routes); inside != nil {
					return inside
				}
			}
		}
	}
	return nil
}

func loadedHandler(tb testing.TB) *Handler {
	tb.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		tb.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		if h := handlerIn(server.Routes); h != nil {
			return h
		}
	}
	tb.Fatal("no handler is loaded")
	return nil
}

// What a cached request costs is a promise.
func TestHotPathAllocations(t *testing.T) {
	_, cookie := signedInWorld(t)
	with, without := hotRequest(cookie, loadedHandler(t)), hotRequest(cookie, nil)
	failed := 0
	added := testing.AllocsPerRun(2000, func() { failed += with() }) - testing.AllocsPerRun(2000, func() { failed += without() })
	if failed != 0 {
		t.Fatalf("%d requests failed", failed)
	}
	t.Logf("%.0f allocations", added)
	if added > 12 {
		t.Errorf("%.0f allocations are added to a cached request, at most 12 are promised", added)
	}
}
