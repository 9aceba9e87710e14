package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plain is a client that knows nothing of cookies.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

// hit sends one request and tells what is wrong with the answer.
func hit(client *http.Client, url, cookies, userID string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Cookie", cookies)
	resp, err := doAgain(client, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString(0)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", resp.StatusCode, line)
	}
	if !strings.Contains(line, `"X-Zoom-User-Id":["`+userID+`"]`) {
		return fmt.Errorf("the request did not arrive as %s: %w %s", userID, err, line)
	}
	return nil
}

// traffic sends requests until it is stopped, at a steady rate.
type traffic struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	count  atomic.Int64
	failed atomic.Int64
	first  atomic.Pointer[string]
}

// traffic sends a number of requests a second, in turns for each browser, half of
// them on new connections. Browsers are of the user of the same place.
func (w *world) traffic(perSecond int, url string, browsers []*browser, users []string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{stop: cancel}
	kept := &http.Transport{MaxIdleConnsPerHost: 64}
	clients := []*http.Client{{Transport: kept, Timeout: 20 * time.Second}, plain}
	cookies := make([]string, len(browsers))
	for i, b := range browsers {
		cookies[i] = b.cookieLine()
	}
	t.done.Go(func() {
		defer kept.CloseIdleConnections()
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		var hits sync.WaitGroup
		defer hits.Wait()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			hits.Go(func() {
				who := i % len(cookies)
				t.count.Add(1)
				if err := hit(clients[i/len(cookies)%2], url, cookies[who], users[who]); err != nil {
					t.failed.Add(1)
					text := err.Error()
					t.first.CompareAndSwap(nil, &text)
				}
			})
		}
	})
	return t
}

// end stops the traffic, all of which must have been answered properly.
func (t *traffic) end(tb testing.TB, least int) {
	tb.Helper()
	t.stop()
	t.done.Wait()
	if n := t.failed.Load(); n > 0 {
		tb.Errorf("%d of %d requests failed, the first: %s", n, t.count.Load(), *t.first.Load())
	}
	if n := t.count.Load(); n < int64(least) {
		tb.Errorf("only %d requests were sent, that proves little", n)
	}
	tb.Logf("%d requests", t.count.Load())
}
