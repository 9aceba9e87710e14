package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// upstream is an app behind Caddy that answers with what it received.
type upstream struct {
	addr     string
	requests atomic.Int64
	handler  atomic.Pointer[http.HandlerFunc] // instead of the answer
}

// received is what the upstream tells of a request.
type received struct {
	Method  string
	URI     string
	Host    string
	Header  http.Header
	Trailer http.Header
	Body    string
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	u := new(upstream)
	server := httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(server.Close)
	u.addr = strings.TrimPrefix(server.URL, "http://")
	return u
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.requests.Add(1)
	if h := u.handler.Load(); h != nil {
		(*h)(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(received{r.Method, r.RequestURI, r.Host, r.Header, r.Trailer, string(body)})
}

// serveWith makes the upstream answer with h from now on.
func (u *upstream) serveWith(h http.HandlerFunc) { u.handler.Store(&h) }
