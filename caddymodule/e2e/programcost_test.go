package e2e

import (
	"net/http"
	"testing"
)

// A request of a program costs what one of a browser does, one hash and one lookup. Its
// first one notes in the background that it was used.
func TestBearerAllocatesLikeACookie(t *testing.T) {
	w := newWorld(t)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + "programs {\nclient cli http://127.0.0.1/callback\n}\n}\nreverse_proxy " + w.upstream.addr))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	handler := runningHandler(t)
	allocs := func(requests *bareRequests) float64 {
		return testing.AllocsPerRun(20_000, func() {
			if err := requests.serve(handler, promisedPage); err != nil || requests.writer.status != http.StatusOK {
				t.Fatalf("%v, status %d", err, requests.writer.status)
			}
		})
	}
	byBearer := newBareRequests("")
	byBearer.template.Host = w.addr
	byBearer.header["Authorization"] = []string{"Bearer " + p.access}
	delete(byBearer.header, "Cookie")
	byCookie := newBareRequests(w.signedInCookies(1)[0])
	byCookie.template.Host = w.addr
	bearer, cookie := allocs(byBearer), allocs(byCookie)
	t.Logf("%.0f allocations by bearer, %.0f by cookie", bearer, cookie)
	if bearer > cookie {
		t.Errorf("%.0f allocations by bearer, %.0f by cookie", bearer, cookie)
	}
}
