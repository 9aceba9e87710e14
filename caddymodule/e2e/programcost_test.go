package e2e

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule"
)

// bearerAndCookie are the requests of one user, by a program's token and by a browser's
// cookie, and the handler of both.
func bearerAndCookie(tb testing.TB) (handler *caddymodule.Handler, byBearer, byCookie *bareRequests) {
	tb.Helper()
	w := newWorld(tb)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + "programs {\nclient cli http://127.0.0.1/callback\n}\n}\nreverse_proxy " + w.upstream.addr))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	byBearer = newBareRequests("")
	byBearer.template.Host = w.addr
	byBearer.header["Authorization"] = []string{"Bearer " + p.access}
	delete(byBearer.header, "Cookie")
	byCookie = newBareRequests(w.signedInCookies(1)[0])
	byCookie.template.Host = w.addr
	return runningHandler(tb), byBearer, byCookie
}

// A request of a program costs what one of a browser does, one hash and one lookup. Its
// first one notes in the background that it was used.
func TestBearerAllocatesLikeACookie(t *testing.T) {
	handler, byBearer, byCookie := bearerAndCookie(t)
	allocs := func(requests *bareRequests) float64 {
		return testing.AllocsPerRun(20_000, func() {
			if err := requests.serve(handler, promisedPage); err != nil || requests.writer.status != http.StatusOK {
				t.Fatalf("%v, status %d", err, requests.writer.status)
			}
		})
	}
	bearer, cookie := allocs(byBearer), allocs(byCookie)
	t.Logf("%.0f allocations by bearer, %.0f by cookie", bearer, cookie)
	if bearer > cookie {
		t.Errorf("%.0f allocations by bearer, %.0f by cookie", bearer, cookie)
	}
}

// BenchmarkBearer is a request of a program against the same by cookie, through Caddy and
// its proxy and in turns: the median of the ratios is to be at least 0.98.
func BenchmarkBearer(b *testing.B) {
	w := newWorld(b)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + "programs {\nclient cli http://127.0.0.1/callback\n}\n}\nreverse_proxy " + w.upstream.addr))
	in := w.signedIn("user-ada")
	p := w.program().signedInBy(in)
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	const rounds, requests = 101, 100
	took := func(header, value string) float64 {
		began := time.Now()
		for range requests {
			r := in.request(http.MethodGet, "/app/page", header, value)
			resp, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Fatalf("%s: %d", header, resp.StatusCode)
			}
		}
		return float64(time.Since(began)) / requests
	}
	var ratios []float64
	for range rounds {
		bearer := took("Authorization", "Bearer "+p.access)
		ratios = append(ratios, took("Cookie", in.sessionCookie())/bearer)
	}
	for b.Loop() {
		// The rounds above are the measurement.
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[rounds/2], "of-the-requests/s-by-cookie")
}
