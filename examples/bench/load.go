package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// target is a site and the requests that are sent to it, one after the other, again
// and again.
type target struct {
	addr     string
	requests [][]byte
}

// browserHeaders are what Chromium sends with a page load of the same origin: what a
// proxy's work is depends on how many headers there are.
const browserHeaders = "Sec-Ch-Ua: \"Chromium\";v=\"148\", \"Not/A)Brand\";v=\"99\"\r\n" +
	"Sec-Ch-Ua-Mobile: ?0\r\nSec-Ch-Ua-Platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"

// newTarget makes a request of each of the headers.
func newTarget(addr string, headers ...string) target {
	t := target{addr: addr}
	for _, h := range headers {
		t.requests = append(t.requests, []byte("GET /app HTTP/1.1\r\nHost: "+addr+"\r\n"+browserHeaders+h+"\r\n"))
	}
	return t
}

// sample is what one run of a loop gave.
type sample struct {
	perSecond float64
	latencies []time.Duration // sorted
}

func (s sample) quantile(q float64) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[min(int(q*float64(len(s.latencies))), len(s.latencies)-1)]
}

// closedLoop is visitors who send the next request when the last is answered:
// it shows how many requests there can be.
func (t target) closedLoop(ctx context.Context, connections int, d time.Duration) (sample, error) {
	began := time.Now()
	return t.loop(ctx, connections, func(int) (time.Time, bool) {
		now := time.Now()
		return now, now.Sub(began) < d
	})
}

// once sends every request once.
func (t target) once(ctx context.Context, connections int) (sample, error) {
	return t.loop(ctx, connections, func(n int) (time.Time, bool) { return time.Now(), n < len(t.requests) })
}

// openLoop is requests that come when they come. Times count from when a
// request was due, not from when there was somebody to send it: else a server
// that stalls would be asked less and look fast.
func (t target) openLoop(ctx context.Context, connections int, rate float64, d time.Duration) (sample, error) {
	began := time.Now()
	return t.loop(ctx, connections, func(n int) (time.Time, bool) {
		due := time.Duration(float64(n) / rate * float64(time.Second))
		if due >= d {
			return time.Time{}, false
		}
		time.Sleep(time.Until(began.Add(due)))
		return began.Add(due), true
	})
}

// loop sends requests over connections that are kept. next waits for the time
// of the nth request and returns it, or ends the loop.
func (t target) loop(ctx context.Context, connections int, next func(n int) (time.Time, bool)) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var sent atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			errs[i] = t.visit(ctx, &sent, next, &all[i])
			if errs[i] != nil {
				cancel() // one that fails is enough
			}
		})
	}
	wg.Wait()
	s := sample{latencies: slices.Concat(all...)}
	s.perSecond = float64(len(s.latencies)) / time.Since(began).Seconds()
	slices.Sort(s.latencies)
	return s, errors.Join(errs...)
}

// visit is one visitor.
func (t target) visit(ctx context.Context, sent *atomic.Int64, next func(int) (time.Time, bool), latencies *[]time.Duration) error {
	conn, err := net.Dial("tcp", t.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for ctx.Err() == nil {
		n := int(sent.Add(1) - 1)
		due, more := next(n)
		if !more {
			return nil
		}
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return err
		}
		if _, err := conn.Write(t.requests[n%len(t.requests)]); err != nil {
			return err
		}
		if err := readOK(reader); err != nil {
			return err
		}
		*latencies = append(*latencies, time.Since(due))
	}
	return ctx.Err()
}

// readOK reads an answer with status 200 and a length, without the work of a
// general client, which would be measured too.
func readOK(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("the answer is %q", bytes.TrimSpace(status))
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
