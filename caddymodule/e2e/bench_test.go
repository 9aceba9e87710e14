package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// quietly is a site without access log and debug log, which measurements are
// not about.
func (w *world) quietly(directives string) string {
	config := strings.Replace(w.caddyfile(directives), "level DEBUG", "level ERROR", 1)
	return strings.Replace(config, "\tlog\n", "", 1)
}

// signedInCookies signs users in and returns their Cookie headers.
func (w *world) signedInCookies(users int) (cookies []string) {
	w.t.Helper()
	for n := range users {
		id := fmt.Sprintf("user-%d", n)
		w.zoom.AddUser(zoomtest.User{ID: id, AccountID: "account-1", Email: id + "@example.com", Verified: 1, DisplayName: "User"})
		b := w.browser()
		if a := b.signIn("/", id); a.StatusCode != http.StatusOK {
			w.t.Fatalf("signing in: %d\n%s", a.StatusCode, a.body)
		}
		var pairs []string
		for _, c := range b.jar.Cookies(b.request(http.MethodGet, "/").URL) {
			if strings.Contains(c.Name, "_loop") {
				continue // gone half a minute after a sign-in
			}
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		cookies = append(cookies, strings.Join(pairs, "; "))
	}
	return cookies
}

// runningHandler is the handler of the running configuration.
func runningHandler(tb testing.TB) *caddymodule.Handler {
	tb.Helper()
	ctx := caddy.ActiveContext()
	app, err := ctx.App("http")
	if err != nil {
		tb.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		if h := handlerIn(server.Routes); h != nil {
			return h
		}
	}
	tb.Fatal("no handler is running")
	return nil
}

func handlerIn(routes caddyhttp.RouteList) *caddymodule.Handler {
	for _, route := range routes {
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *caddymodule.Handler:
				return h
			case *caddyhttp.Subroute:
				if found := handlerIn(h.Routes); found != nil {
					return found
				}
			}
		}
	}
	return nil
}

// bareRequests makes requests as Caddy's server hands them to its handlers.
type bareRequests struct {
	template *http.Request
	header   http.Header
	writer   discardWriter
}

func newBareRequests(cookie string) *bareRequests {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/app/page?x=1", nil)
	return &bareRequests{
		template: r,
		header: http.Header{
			"Accept":          {"text/html,application/xhtml+xml"},
			"Accept-Encoding": {"gzip, deflate, br"},
			"Accept-Language": {"en"},
			"Cookie":          {"theme=dark; " + cookie},
			"Sec-Fetch-Dest":  {"document"},
			"Sec-Fetch-Mode":  {"navigate"},
			"Sec-Fetch-Site":  {"same-origin"},
			"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
		},
		writer: discardWriter{header: make(http.Header)},
	}
}

// serve sends one request through handler, or straight to next without one.
func (b *bareRequests) serve(handler caddyhttp.MiddlewareHandler, next caddyhttp.Handler) error {
	clear(b.writer.header)
	r := *b.template
	r.Header = b.header.Clone()
	prepared := caddyhttp.PrepareRequest(&r, caddy.NewReplacer(), &b.writer, nil)
	if handler == nil {
		return next.ServeHTTP(&b.writer, prepared)
	}
	return handler.ServeHTTP(&b.writer, prepared, next)
}

// discardWriter is a response that goes nowhere.
type discardWriter struct {
	header http.Header
	status int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteHeader(status int)      { w.status = status }

// okPage answers; promisedPage does if the request has what it was promised.
var okPage = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

var promisedPage = pageOf("X-Zoom-User-Id", "X-Zoom-Access-Token", "X-Zoom-Zak")

func pageOf(promised ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		for _, name := range promised {
			if len(r.Header[name]) == 0 {
				return fmt.Errorf("the request lacks %s", name)
			}
		}
		return okPage(w, r)
	}
}

// headerSet is what requests are given in measurements.
type headerSet struct {
	name, options string
	page          caddyhttp.HandlerFunc
}

// headerSets are all that is standard, and who the visitor is and nothing else.
var headerSets = []headerSet{
	{"all", "", promisedPage},
	{"identity", "zak off\nheaders {\naccess_token off\n}\n", pageOf("X-Zoom-User-Id", "X-Zoom-User-Name")},
}

// handlerCost measures what the handler adds to a cached request. Times are
// those of the fastest batches: what else runs on the machine only adds to them.
// base is what Caddy itself does for the request then, which tells how fast the
// machine was just now.
func handlerCost(tb testing.TB, headers headerSet, rounds int) (added, base time.Duration, allocs, bytes float64) {
	tb.Helper()
	w := newWorld(tb)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + headers.options + "}\nreverse_proxy " + w.upstream.addr))
	requests := newBareRequests(w.signedInCookies(1)[0])
	handler := runningHandler(tb)
	serve := func(handler caddyhttp.MiddlewareHandler, next caddyhttp.Handler) {
		if err := requests.serve(handler, next); err != nil || requests.writer.status != http.StatusOK {
			tb.Fatalf("%v, status %d", err, requests.writer.status)
		}
	}
	const batch = 200
	measure := func(handler caddyhttp.MiddlewareHandler, next caddyhttp.Handler) (took time.Duration, mallocs, size uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		for range batch {
			serve(handler, next)
		}
		took = time.Since(began)
		runtime.ReadMemStats(&after)
		return took, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
	}
	measure(handler, headers.page)
	fastestWith, fastestWithout := time.Hour, time.Hour
	var counts, sizes []float64
	for range rounds {
		with, withCount, withSize := measure(handler, headers.page)
		without, withoutCount, withoutSize := measure(nil, okPage)
		fastestWith, fastestWithout = min(fastestWith, with), min(fastestWithout, without)
		counts = append(counts, float64(int64(withCount-withoutCount))/batch)
		sizes = append(sizes, float64(int64(withSize-withoutSize))/batch)
	}
	slices.Sort(counts)
	slices.Sort(sizes)
	return (fastestWith - fastestWithout) / batch, fastestWithout / batch, counts[rounds/2], sizes[rounds/2]
}

// What the handler may add to a cached request, in allocations and bytes: 744 of them are Go's,
// for a ninth header. Time is left to the benchmark: it depends on the machine.
func TestHandlerAllocates(t *testing.T) {
	const limit, limitBytes = 7, 1300
	for _, headers := range headerSets {
		t.Run(headers.name, func(t *testing.T) {
			_, _, allocs, bytes := handlerCost(t, headers, 11)
			t.Logf("%.2f allocations, %.0f bytes", allocs, bytes)
			if allocs > limit || bytes > limitBytes {
				t.Errorf("the handler adds %.2f allocations and %.0f bytes to a cached request, more than %d and %d", allocs, bytes, limit, limitBytes)
			}
		})
	}
}

// BenchmarkHandler is what the handler adds to a request of a signed-in visitor
// whose session is cached, beside what Caddy does for any request.
func BenchmarkHandler(b *testing.B) {
	for _, headers := range headerSets {
		b.Run(headers.name, func(b *testing.B) {
			added, base, allocs, bytes := handlerCost(b, headers, 1001)
			for b.Loop() {
				// The rounds of handlerCost are the measurement.
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(added.Nanoseconds()), "added-ns/request")
			b.ReportMetric(float64(base.Nanoseconds()), "caddy-ns/request")
			b.ReportMetric(allocs, "added-allocs/request")
			b.ReportMetric(bytes, "added-B/request")
		})
	}
}

// BenchmarkSignedIn is a whole request of a signed-in visitor inside Caddy, for
// profiles, and for comparing -cpu 1,2,4: 64 users share no lock.
func BenchmarkSignedIn(b *testing.B) {
	for _, users := range []int{1, 64} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			w := newWorld(b)
			w.load(w.quietly("zoom_pkce {\n" + w.options() + "}\nreverse_proxy " + w.upstream.addr))
			cookies := w.signedInCookies(users)
			handler := runningHandler(b)
			var turn atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				mine := make([]*bareRequests, 0, users)
				for n := range users {
					mine = append(mine, newBareRequests(cookies[(int(turn.Add(1))+n)%users]))
				}
				for n := 0; pb.Next(); n++ {
					if err := mine[n%users].serve(handler, promisedPage); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkLogin is a sign-in as a visitor makes it: page, consent, callback,
// page again, with a session store on disk. Zoom is simulated.
func BenchmarkLogin(b *testing.B) {
	w := newWorld(b)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + "}\nreverse_proxy " + w.upstream.addr))
	w.browser().signIn("/", "user-ada")
	b.ReportAllocs()
	for b.Loop() {
		if a := w.browser().signIn("/", "user-ada"); a.StatusCode != http.StatusOK {
			b.Fatalf("got %d", a.StatusCode)
		}
	}
}
