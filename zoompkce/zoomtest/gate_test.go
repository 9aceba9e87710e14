package zoomtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHoldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tk := w.signIn(w.app)
		gate := w.Hold(CallMe, Before)
		done := make(chan int)
		go func() {
			status, _ := w.get(tk.Access, "/v2/users/me")
			done <- status
		}()
		<-gate.Arrived()
		w.RevokeUser(w.app.ClientID, "ada") // overtakes the held call
		gate.Release()
		gate.Release()
		if status := <-done; status != 401 {
			t.Errorf("status %d", status)
		}
	})
}

func TestHoldAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tk := w.signIn(w.app)
		gate := w.Hold(CallRefresh, After)
		done := make(chan tokens)
		go func() {
			done <- w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
		}()
		<-gate.Arrived()
		status, body := w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)) // not held
		expect(t, status, body, 400, invalidTokenBody)
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("the answer was not held")
		default:
		}
		gate.Release()
		if fresh := <-done; fresh.Refresh == tk.Refresh {
			t.Error("not refreshed")
		}
	})
}

func TestHeldCallIsProcessedThoughItsClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tk := w.signIn(w.app)
		gate := w.Hold(CallRefresh, Before)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost,
			w.URL+"/oauth/token?"+refreshForm(w.app, tk.Refresh).Encode(), nil)
		r.SetBasicAuth(w.app.ClientID, w.app.ClientSecret)
		if _, err := w.Client().Do(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		gate.Release()
		synctest.Wait()
		status, body := w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
		expect(t, status, body, 400, invalidTokenBody)
	})
}

func TestForgottenGateOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Hold(CallMe, Before)
		start := time.Now()
		w.get("", "/v2/users/me")
		if d := time.Since(start); d != maxHold {
			t.Errorf("held for %v", d)
		}
	})
}

func TestCloseLetsGo(t *testing.T) {
	kinds(t, func(t *testing.T, s *Server) {
		gate := s.Hold(CallMe, Before)
		s.Fail(CallZAK, 1, Hang())
		done := make(chan struct{})
		for _, path := range []string{"/v2/users/me", "/v2/users/me/zak"} {
			go func() {
				defer func() { done <- struct{}{} }()
				if resp, err := s.Client().Get(s.URL + path); err == nil {
					resp.Body.Close()
				}
			}()
		}
		<-gate.Arrived()
		for s.Count(CallZAK) == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Close()
		<-done
		<-done
		if _, err := s.Client().Get(s.URL + "/v2/users/me"); err == nil {
			t.Error("a closed server answers")
		}
		if s.http == nil {
			return
		}
		if conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")); err == nil {
			conn.Close()
			t.Error("a closed server listens")
		}
	})
}
