package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// unsignedHead is the head of a delivery whose signature has the right shape.
func (w *world) unsignedHead(at time.Time, length int) string {
	return fmt.Sprintf("POST /zoom_pkce/webhook HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nX-Zm-Request-Timestamp: %d\r\nX-Zm-Signature: v0=%s\r\n\r\n",
		w.addr, length, at.Unix(), strings.Repeat("0", 64))
}

// What the headers of a delivery tell is enough to refuse it: nobody waits for its body.
func TestDeliveryIsRefusedBeforeItsBody(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(webhookOptions))
	now := time.Now()
	for name, head := range map[string]string{
		"stale":       w.unsignedHead(now.Add(-121*time.Minute), 1000),
		"future":      w.unsignedHead(now.Add(121*time.Minute), 1000),
		"no time":     strings.Replace(w.unsignedHead(now, 1000), "X-Zm-Request-Timestamp", "X-Other", 1),
		"unsigned":    strings.Replace(w.unsignedHead(now, 1000), "X-Zm-Signature", "X-Other", 1),
		"misshapen":   strings.Replace(w.unsignedHead(now, 1000), "v0=0", "v0=", 1),
		"other shape": strings.Replace(w.unsignedHead(now, 1000), "v0=0", "v0=G", 1),
		"huge":        strings.Replace(w.unsignedHead(now, 1<<40), "v0=0", "v1=0", 1),
	} {
		c := w.dial()
		if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		c.send("%s", head)
		if status := c.status(); status != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, status)
		}
	}
	// Bodies end within ten seconds, where the visitor is not known yet.
	inClient := "POST /zoom_pkce/app/onauthorized HTTP/1.1\r\nHost: " + w.addr + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	var stalled sync.WaitGroup
	for _, head := range []string{w.unsignedHead(now, 1000), inClient} {
		c := w.dial()
		c.send("%s{", head)
		stalled.Go(func() {
			if status := c.status(); status != http.StatusBadRequest {
				t.Errorf("stalled: got %d", status)
			}
		})
	}
	stalled.Wait()
}

// Deliveries that stall fill their own share of memory. Zoom's, which are small, get in.
func TestStalledDeliveriesShareMemory(t *testing.T) {
	w := newWebhookWorld(t)
	w.load(w.site(webhookOptions))
	const length, senders = 1 << 20, 32
	var refused atomic.Int64
	var conns []*rawConn
	var waiting sync.WaitGroup
	for range senders {
		c := w.dial()
		conns = append(conns, c)
		c.send("%s", w.unsignedHead(time.Now(), length))
		waiting.Go(func() { // until it is answered
			_, _ = c.Write(make([]byte, length-1))
		})
		waiting.Go(func() {
			// Whoever still sends may see a reset instead of the answer.
			resp, err := http.ReadResponse(c.r, nil)
			if err == nil && (resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "") {
				t.Errorf("a large one got %d", resp.StatusCode)
			}
			refused.Add(1)
		})
	}
	testkit.Eventually(t, "too large bodies to be refused", 8*time.Second, func() bool { return refused.Load() >= 8 })
	a := w.deliver(webhookSecret, time.Now(), deauthorization(testClientID, "user-nobody", time.Now()))
	if a.StatusCode != http.StatusOK {
		t.Errorf("Zoom got %d %s", a.StatusCode, a.body)
	}
	for _, c := range conns {
		c.Close()
	}
	waiting.Wait()
}

// Strangers who stall fill the memory of strangers. Whoever is signed in has another.
func TestStalledStrangersLeaveVisitorsRoom(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("zoom_app", "meeting_sdk", sameSiteNone))
	b := w.browser()
	b.open(b.consent(b.open("/"), "user-ada"))
	const length, large = 64 << 10, 250
	head := "POST /zoom_pkce/app/onauthorized HTTP/1.1\r\nHost: " + w.addr + "\r\nContent-Length: %d\r\n\r\n"
	stall := func(count, written int) {
		strangers := make([]*rawConn, count) // who are there first, since each has 10 s only
		for i := range strangers {
			strangers[i] = w.dial()
		}
		for _, c := range strangers {
			c.send(head, length)
			_, _ = c.Write(make([]byte, written)) // those that are refused may be closed by now
		}
	}
	stall(large, length-1)
	testkit.Eventually(t, "strangers to be refused", 8*time.Second, func() bool {
		stall(50, 0) // large ones leave room for small ones, which is filled here
		a := w.browser().post("frame/redeem", `{"ticket":"x"}`)
		return a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != ""
	})
	for endpoint, body := range map[string]string{
		"signature":    `{"meetingNumber":"123456789","role":0}`,
		"frame/ticket": `{"frame":"` + strings.Repeat("0", 32) + `"}`,
	} {
		if a := b.post(endpoint, body); a.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d %s", endpoint, a.StatusCode, a.body)
		}
	}
	for _, endpoint := range []string{"app/onauthorized", "frame/redeem"} { // which strangers use, too
		if a := b.post(endpoint, "{}"); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", endpoint, a.StatusCode, a.body)
		}
	}
	if a := b.fetch("POST", "/zoom_pkce/logout"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a sign-out: got %d %s", a.StatusCode, a.body)
	}
}
