package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// proxyPair is one Caddy with two sites before the same upstream: signed, with
// zoom_pkce and reverse_proxy, and plain, with reverse_proxy alone and request
// headers of the same length, set by request_header.
type proxyPair struct {
	signed, plain proxyTarget
	upstream      *upstream
}

type proxyTarget struct {
	addr     string
	requests [][]byte // of the users, each of whom has connections of their own
}

func newProxyPair(tb testing.TB, users int) proxyPair {
	tb.Helper()
	w := newWorld(tb)
	plainAddr := "127.0.0.1:" + testkit.FreePort(tb)
	pair := func(headers string) string {
		return w.quietly("zoom_pkce {\n"+w.options()+"}\nreverse_proxy "+w.upstream.addr) +
			fmt.Sprintf("http://%s {\nbind 127.0.0.1\n%sreverse_proxy %s\n}\n", plainAddr, headers, w.upstream.addr)
	}
	w.load(pair(""))
	cookies := w.signedInCookies(users)

	// What the upstream gets with the one it gets with the other.
	var headers strings.Builder
	b := w.browser()
	a := b.do(b.request(http.MethodGet, "/", "Cookie", cookies[0]))
	for name, values := range a.received(tb).Header {
		if strings.HasPrefix(name, "X-Zoom-") {
			fmt.Fprintf(&headers, "request_header %s %q\n", name, values[0])
		}
	}
	w.load(pair(headers.String()))
	body := []byte("ok\n")
	w.upstream.serveWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		_, _ = w.Write(body)
	})
	request := func(addr, headers string) []byte {
		return []byte("GET /app HTTP/1.1\r\nHost: " + addr + "\r\nAccept: text/html\r\nUser-Agent: bench\r\n" + headers + "\r\n")
	}
	signed := proxyTarget{addr: w.addr}
	for _, cookie := range cookies {
		signed.requests = append(signed.requests, request(w.addr, "Cookie: "+cookie+"\r\n"))
	}
	return proxyPair{
		signed: signed, plain: proxyTarget{plainAddr, [][]byte{request(plainAddr, "")}}, upstream: w.upstream,
	}
}

// load sends requests over connections that are kept, one after the other on
// each, for a while, and returns how many were answered a second.
func (p proxyTarget) load(tb testing.TB, connections int, d time.Duration) float64 {
	tb.Helper()
	var done atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range connections {
		request := p.requests[i%len(p.requests)]
		wg.Go(func() {
			conn, err := net.Dial("tcp", p.addr)
			if err != nil {
				tb.Error(err)
				return
			}
			defer conn.Close()
			reader := bufio.NewReader(conn)
			for { // once at least, however long connecting took
				if _, err := conn.Write(request); err != nil {
					tb.Error(err)
					return
				}
				if err := readOK(reader); err != nil {
					tb.Error(err)
					return
				}
				done.Add(1)
				if time.Since(began) >= d {
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

// readOK reads an answer with status 200 and a length, without the work a
// general client does: the client shares the processor with what is measured.
func readOK(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("got %q", status)
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			_, err := r.Discard(length)
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}

// BenchmarkProxy compares a site with zoom_pkce to one without, in turns, so
// that both have the same weather. Every connection is another user's. The ratio is the median of its runs.
func BenchmarkProxy(b *testing.B) {
	const runs = 10
	slice := time.Second
	if testing.Short() {
		slice = 100 * time.Millisecond
	}
	for _, connections := range []int{1, 64} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			pair := newProxyPair(b, connections)
			pair.signed.load(b, connections, slice/4)
			pair.plain.load(b, connections, slice/4)
			var signed, plain, ratios []float64
			for run := range runs {
				// Short turns, and each goes first as often as the other.
				var s, p float64
				const turns = 10
				for turn := range turns {
					if (run+turn)%2 == 0 {
						s += pair.signed.load(b, connections, slice/turns) / turns
						p += pair.plain.load(b, connections, slice/turns) / turns
					} else {
						p += pair.plain.load(b, connections, slice/turns) / turns
						s += pair.signed.load(b, connections, slice/turns) / turns
					}
				}
				signed, plain, ratios = append(signed, s), append(plain, p), append(ratios, s/p)
			}
			for b.Loop() {
				// The runs above are the measurement.
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(signed), "zoom_pkce-req/s")
			b.ReportMetric(median(plain), "plain-req/s")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

// The two sites of BenchmarkProxy give the upstream the same headers.
func TestProxyPairIsFair(t *testing.T) {
	pair := newProxyPair(t, 1)
	var got [2]http.Header
	for i, target := range []proxyTarget{pair.signed, pair.plain} {
		pair.upstream.serveWith(func(w http.ResponseWriter, r *http.Request) { got[i] = r.Header.Clone() })
		if n := target.load(t, 1, time.Millisecond); n == 0 {
			t.Fatal("no answer")
		}
	}
	for name, values := range got[0] {
		if strings.HasPrefix(name, "X-Forwarded-") {
			continue
		}
		// The ZAK of a later fetch is another one.
		if plain := got[1][name]; len(plain) != 1 || len(plain[0]) != len(values[0]) {
			t.Errorf("%s: %q and %q", name, values, plain)
		}
	}
	if len(got[0]) != len(got[1]) || len(got[0]["X-Zoom-Zak"]) == 0 {
		t.Errorf("%d and %d headers: %v", len(got[0]), len(got[1]), got[0])
	}
}
