package storecall_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// bubble runs a test with calls, and a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, c *storecall.Calls)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := storecall.New()
		defer c.Close()
		test(t, c)
	})
}

// begin begins a call that must find a place.
func begin(t *testing.T, c *storecall.Calls, kind storecall.Kind) (context.Context, func()) {
	t.Helper()
	ctx, end, err := c.Begin(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, end
}

// What hangs takes the places of its kind, and no more of them than there are.
func TestPlaces(t *testing.T) {
	for _, kind := range []storecall.Kind{storecall.Read, storecall.Change} {
		bubble(t, func(t *testing.T, c *storecall.Calls) {
			var ends []func()
			for range 128 {
				_, end := begin(t, c, kind)
				ends = append(ends, end)
			}
			_, end := begin(t, c, 1-kind)
			end()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := c.Begin(ctx, kind)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "128 calls are waiting") {
				t.Errorf("one more: %v", err)
			}
			began := time.Now()
			if _, _, err = c.Begin(t.Context(), kind); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
				t.Errorf("one more, without a deadline: %v after %v", err, time.Since(began))
			}
			ends[0]()
			_, ends[0] = begin(t, c, kind)
			for _, end := range ends {
				end()
			}
		})
	}
}

// A call of a caller without a deadline has one, and one of a caller who has gone
// does not begin.
func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		ctx, end := begin(t, c, storecall.Read)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) != 30*time.Second {
			t.Errorf("in %v", time.Until(deadline))
		}
		end()
		if ctx.Err() == nil {
			t.Error("the call is over, its context is not")
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 { // a place is free, too
			if _, _, err := c.Begin(gone, storecall.Read); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

// Calls under way have a few seconds, then they are cut off; nothing new begins.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		ctx, end := begin(t, c, storecall.Change)
		var tried atomic.Bool
		c.KeepTrying(time.Second, 3, func() bool { tried.Store(true); return true })
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			if _, _, err := c.Begin(t.Context(), storecall.Read); !errors.Is(err, zoompkce.ErrStoreClosed) || ctx.Err() != nil {
				t.Errorf("while closing: %v, the call under way: %v", err, ctx.Err())
			}
		}()
		c.Close()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("after %v", took)
		}
		if synctest.Wait(); !errors.Is(context.Cause(ctx), zoompkce.ErrStoreClosed) || tried.Load() {
			t.Errorf("after the end: %v, tried %t", context.Cause(ctx), tried.Load())
		}
		end()
		if err := c.Usable(t.Context()); !errors.Is(err, zoompkce.ErrStoreClosed) {
			t.Errorf("usable: %v", err)
		}
	})
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		ctx, end := begin(t, c, storecall.Change)
		began := time.Now()
		time.AfterFunc(time.Second, end)
		if c.Close(); time.Since(began) != time.Second || errors.Is(context.Cause(ctx), zoompkce.ErrStoreClosed) {
			t.Errorf("closed after %v: %v", time.Since(began), context.Cause(ctx))
		}
	})
	var never *storecall.Calls
	if never.Close(); !errors.Is(never.Usable(t.Context()), zoompkce.ErrStoreClosed) {
		t.Error("what was never made is usable")
	}
}

// Who waits for a place when the store is closed gets none, and gives it back.
func TestClosedWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		var ends []func()
		for range 128 {
			_, end := begin(t, c, storecall.Read)
			ends = append(ends, end)
		}
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := c.Begin(t.Context(), storecall.Read)
				errs <- err
			}()
		}
		synctest.Wait()
		go c.Close()
		synctest.Wait()
		ends[0]()
		if first, second := <-errs, <-errs; !errors.Is(first, zoompkce.ErrStoreClosed) || !errors.Is(second, zoompkce.ErrStoreClosed) {
			t.Errorf("got %v and %v", first, second)
		}
		for _, end := range ends[1:] {
			end()
		}
	})
}

// A call that is over leaves nothing in the contexts that live on.
func TestCallsLeaveNothing(t *testing.T) {
	type key struct{}
	c := storecall.New()
	defer c.Close()
	caller, cancel := context.WithCancel(t.Context())
	defer cancel()
	call := func() weak.Pointer[[16]byte] {
		value := new([16]byte) // kept by all that keeps the call's context
		_, end, err := c.Begin(context.WithValue(caller, key{}, value), storecall.Read)
		if err != nil {
			t.Fatal(err)
		}
		end()
		return weak.Make(value)
	}
	kept := call()
	for range 5 {
		if runtime.GC(); kept.Value() == nil {
			return
		}
	}
	t.Error("the call is kept")
}

func TestDo(t *testing.T) {
	failed := errors.New("failed")
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		do := func(ctx context.Context, f func(context.Context) (int, error)) (int, error) {
			return storecall.Do(ctx, c, storecall.Read, f)
		}
		for range 200 { // the end of a call ends its context, and its outcome is there first
			if n, err := do(t.Context(), func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
		}
		if n, err := do(t.Context(), func(context.Context) (int, error) { return 7, failed }); n != 7 || !errors.Is(err, failed) {
			t.Errorf("an error: %d, %v", n, err)
		}
		if _, err := do(t.Context(), func(context.Context) (int, error) { panic("storage") }); err == nil || err.Error() != "session store: panic: storage" {
			t.Errorf("a panic: %v", err)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		hang := make(chan struct{})
		if _, err := do(gone, func(context.Context) (int, error) { <-hang; return 0, nil }); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("what hangs: %v after %v", err, time.Since(began))
		}
		close(hang)
		if _, err := do(gone, func(context.Context) (int, error) { t.Error("called"); return 0, nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("for nobody: %v", err)
		}
		// A store that is closed says so, whatever the storage made of it.
		closed := make(chan error)
		go func() {
			_, err := do(t.Context(), func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			closed <- err
		}()
		synctest.Wait()
		go c.Close()
		if err := <-closed; !errors.Is(err, zoompkce.ErrStoreClosed) {
			t.Errorf("closed: %v", err)
		}
	})
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		done := make(chan error)
		go func() {
			_, err := storecall.Do(t.Context(), c, storecall.Read, func(ctx context.Context) (int, error) { <-ctx.Done(); return 7, nil })
			done <- err
		}()
		synctest.Wait()
		go c.Close()
		if err := <-done; err != nil && !errors.Is(err, zoompkce.ErrStoreClosed) {
			t.Errorf("what went well at the last moment: %v", err)
		}
	})
}

func TestKeepTrying(t *testing.T) {
	bubble(t, func(t *testing.T, c *storecall.Calls) {
		var tries atomic.Int64
		c.KeepTrying(time.Second, 5, func() bool { return tries.Add(1) == 3 })
		for second := range 6 {
			if synctest.Wait(); tries.Load() != int64(min(second, 3)) {
				t.Errorf("%d tries after %d s", tries.Load(), second)
			}
			time.Sleep(time.Second)
		}
		tries.Store(0)
		c.KeepTrying(time.Second, 5, func() bool { tries.Add(1); return false })
		if time.Sleep(time.Minute); tries.Load() != 5 {
			t.Errorf("%d tries of 5", tries.Load())
		}
		// As many at a time as there are places, which are given back.
		for range 2 {
			tries.Store(0)
			for range 65 {
				c.KeepTrying(time.Second, 1, func() bool { tries.Add(1); return true })
			}
			if time.Sleep(time.Minute); tries.Load() != 64 {
				t.Errorf("%d at a time", tries.Load())
			}
		}
		tries.Store(0)
		c.KeepTrying(time.Hour, 1, func() bool { tries.Add(1); return true })
		if c.Close(); tries.Load() != 0 {
			t.Error("tried when the store is closed")
		}
	})
}

// A change that was sent may have been done, though the last of a client's own tries reached nobody.
func TestSent(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	if err := storecall.Sent(fmt.Errorf("the last try: %w", dial)); errors.As(err, new(*net.OpError)) || err == nil || err.Error() != "the last try: dial: refused" {
		t.Errorf("%#v", err)
	}
	for _, err := range []error{nil, context.Canceled} {
		if got := storecall.Sent(err); !errors.Is(got, err) {
			t.Errorf("of %v: %v", err, got)
		}
	}
}
