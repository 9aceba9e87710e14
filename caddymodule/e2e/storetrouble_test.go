package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// wantUnavailable checks that an answer says "later", and keeps the session.
func (w *world) wantUnavailable(what string, a answer) {
	w.t.Helper()
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		w.t.Errorf("%s: got %d, want 503 with Retry-After\n%s", what, a.StatusCode, a.body)
	}
	for _, c := range a.Cookies() {
		if c.MaxAge < 0 && c.Name == w.sessionCookieName() {
			w.t.Errorf("%s: the session cookie was deleted", what)
		}
	}
}

// wantAdvice checks that the log says what is wrong and what to do.
func (w *world) wantAdvice(cause string) {
	w.t.Helper()
	log := w.logged()
	if !strings.Contains(log, cause) || !strings.Contains(log, "check that") {
		w.t.Errorf("the log does not say what is wrong (%s) and what to do", cause)
	}
}

func TestStoreDownAtStart(t *testing.T) {
	w := newWorld(t)
	down := errors.New("connection refused by the storage")
	trouble(t, func(context.Context, string) error { return down })
	w.loadJSON(changed(t, w.site("session {\nsync_interval 100ms\n}"), w.onTestStorage))
	b := w.browser()
	w.wantUnavailable("a page load", b.open("/"))
	w.wantUnavailable("a fetch with a cookie nobody knows", b.fetch("GET", "/", "Cookie", "zoom_pkce_00000000=x; "+
		w.sessionCookieName()+"=x"))
	w.wantAdvice(down.Error())
	noTrouble()
	b.signIn("/", "user-ada")
	b.wantUser("user-ada")
}

// TestStoreDownInFlight: users in memory go on until their access token ends,
// others are asked to wait, and nothing is lost.
func TestStoreDownInFlight(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site("refresh_margin 1ms", "session {\nsync_interval 100ms\n}", secrets(oldSecret)), w.onTestStorage)
	w.loadJSON(config)
	w.tokensLive(2 * time.Second)
	signedInAt := time.Now()
	known, stranger, pending := w.signedIn("user-ada"), w.browser(), w.browser()
	callback := pending.consent(pending.open("/"), "user-bob")
	w.tokensLive(time.Hour)

	down := errors.New("input/output error")
	trouble(t, func(context.Context, string) error { return down })
	time.Sleep(300 * time.Millisecond)
	known.wantUser("user-ada")
	codes := w.zoom.Count(zoomtest.CallCode)
	if a := stranger.open("/"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a visitor without a session is not sent to Zoom: got %d", a.StatusCode)
	}
	w.wantUnavailable("a callback", pending.open(callback))
	if w.zoom.Count(zoomtest.CallCode) != codes {
		t.Error("the code was spent, though the session could not have been saved")
	}
	w.wantAdvice(down.Error())
	time.Sleep(time.Until(signedInAt.Add(2200 * time.Millisecond)))
	w.wantUnavailable("a user whose token has ended", known.open("/"))
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 0 {
		t.Error("the refresh token was spent, though its successor could not have been saved")
	}
	noTrouble()
	testkit.Eventually(t, "the user to go on", 15*time.Second, func() bool { return known.open("/").StatusCode == http.StatusOK })
	known.wantUser("user-ada")
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	pending.open(callback)
	pending.wantUser("user-bob")
}

// TestStoreFull: reading works, writing does not.
func TestStoreFull(t *testing.T) {
	for name, cause := range map[string]error{"full": syscall.ENOSPC, "read-only": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			if errors.Is(cause, syscall.EROFS) && !testkit.Thorough() {
				t.Skip("the same as full, for a run that may take longer")
			}
			w := newWorld(t)
			config := changed(t, w.site("refresh_margin 1ms", "session {\nsync_interval 100ms\n}"), w.onTestStorage)
			w.loadJSON(config)
			w.tokensLive(time.Second)
			b := w.signedIn("user-ada")
			w.tokensLive(time.Hour)
			trouble(t, func(_ context.Context, operation string) error {
				if operation == "store" || operation == "lock" {
					return cause
				}
				return nil
			})
			b.wantUser("user-ada")
			time.Sleep(1100 * time.Millisecond)
			w.wantUnavailable("a user whose token has ended", b.open("/"))
			if n := w.zoom.Count(zoomtest.CallRefresh); n != 0 {
				t.Error("the refresh token was spent, though its successor cannot be saved")
			}
			w.wantAdvice(cause.Error())
			out := b.fetch(http.MethodPost, "/zoom_pkce/logout")
			w.wantUnavailable("a sign-out", out)
			noTrouble()
			if !testkit.Thorough() {
				return // a refresh that failed is tried again after 5 seconds
			}
			testkit.Eventually(t, "the user to go on", 15*time.Second, func() bool { return b.open("/").StatusCode == http.StatusOK })
		})
	}
}

// TestStoreFillsUpDuringARefresh: the tokens that Zoom gave are used and are
// saved as soon as that is possible, also by the next configuration.
func TestStoreFillsUpDuringARefresh(t *testing.T) {
	w := newWorld(t)
	site, admin := w.withAdmin(w.site("refresh_margin 1ms", "session {\nsync_interval 100ms\n}"))
	config := changed(t, site, w.onTestStorage)
	w.loadJSON(config)
	w.tokensLive(time.Second)
	b := w.signedIn("user-ada")
	w.tokensLive(time.Hour)
	time.Sleep(1100 * time.Millisecond)

	gate := w.zoom.Hold(zoomtest.CallRefresh, zoomtest.After)
	answered := make(chan error)
	cookies := b.cookieLine()
	go func() { answered <- hit(plain, w.url, cookies, "user-ada") }()
	<-gate.Arrived()
	trouble(t, func(_ context.Context, operation string) error {
		if operation == "store" {
			return syscall.ENOSPC
		}
		return nil
	})
	gate.Release()
	if err := <-answered; err != nil {
		t.Errorf("with tokens that cannot be saved: %v", err)
	}
	for range 3 {
		w.loadJSON(config)
		b.wantUser("user-ada")
	}
	noTrouble()
	testkit.Eventually(t, "the tokens to be saved", 20*time.Second, func() bool {
		return w.status(admin).Apps[0].UnsavedUsers == 0
	})
	// They are in the store: a process that remembers nothing goes on with them.
	w.load(w.caddyfile("respond gone"))
	w.loadJSON(config)
	b.wantUser("user-ada")
	if n := w.zoom.Count(zoomtest.CallRefresh); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// TestStoreSlow: a store that takes its time slows nobody down whose record is
// in memory and young; one that hangs is waited for a short time only.
func TestStoreSlow(t *testing.T) {
	w := newWorld(t)
	config := changed(t, w.site("session {\nsync_interval 600ms\n}"), w.onTestStorage)
	w.loadJSON(config)
	b := w.signedIn("user-ada")
	var delay atomic.Int64
	delay.Store(int64(150 * time.Millisecond))
	over := make(chan struct{})
	defer close(over)
	trouble(t, func(ctx context.Context, _ string) error {
		select {
		case <-time.After(time.Duration(delay.Load())):
		case <-ctx.Done():
		case <-over:
		}
		return ctx.Err()
	})
	b.wantUser("user-ada")
	worst := time.Duration(0)
	for range 24 {
		began := time.Now()
		b.wantUser("user-ada")
		worst = max(worst, time.Since(began))
		time.Sleep(50 * time.Millisecond)
	}
	if worst > 140*time.Millisecond {
		t.Errorf("a user who is active waited %s for records to be read again", worst)
	}
	delay.Store(int64(time.Minute))
	time.Sleep(700 * time.Millisecond)
	began := time.Now()
	b.wantUser("user-ada")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("a store that hangs was waited for %s", took)
	}
	if !testkit.Thorough() {
		return
	}
	began = time.Now()
	pending := w.browser()
	w.wantUnavailable("a sign-in", pending.open(pending.consent(pending.open("/"), "user-bob")))
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("a sign-in with a store that hangs took %s", took)
	}
}

// TestRedisDown is what happens with a real server.
func TestRedisDown(t *testing.T) {
	redis := redistest.Start(t)
	w := newWorld(t)
	site := w.site("session {\nstore redis "+redis.URL()+"\nsync_interval 100ms\n}", secrets(oldSecret))
	w.load(site)
	known := w.signedIn("user-ada")
	redis.Stop(t)
	time.Sleep(200 * time.Millisecond)
	known.wantUser("user-ada")
	w.load(site) // reloads and starts without it
	known.wantUser("user-ada")
	pending := w.browser()
	callback := pending.consent(pending.open("/"), "user-bob")
	w.wantUnavailable("a sign-in", pending.open(callback))
	w.wantAdvice("connection refused")
	redis.Restart(t)
	// This Redis kept nothing, so everybody signs in again.
	testkit.Eventually(t, "sign-ins to work", 15*time.Second, func() bool {
		return known.open("/").StatusCode == http.StatusSeeOther
	})
	known.signIn("/", "user-ada")
	known.wantUser("user-ada")
}

// A code is sent to Zoom once, and not before the store has shown that it can be
// written. Afterwards the login is over: to load the callback again begins another one.
func TestCodeIsExchangedOnce(t *testing.T) {
	w := newWorld(t)
	w.loadJSON(changed(t, w.site(secrets(oldSecret)), w.onTestStorage))
	b := w.browser()
	callback := b.consent(b.open("/deep"), "user-bob")
	broken := "store"
	trouble(t, func(_ context.Context, operation string) error {
		if operation == broken {
			return syscall.ENOSPC
		}
		return nil
	})
	for range 2 {
		w.wantUnavailable("a callback with a full store", b.open(callback))
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 0 {
		t.Errorf("%d exchanges", n)
	}
	broken = ""
	if a := b.open(callback); a.Header.Get("Location") != "/deep" {
		t.Errorf("the store has room again: %d to %q, want the session", a.StatusCode, a.Header.Get("Location"))
	}
	b = w.browser()
	callback = b.consent(b.open("/deep"), "user-bob")
	w.zoom.Fail(zoomtest.CallCode, 1, zoomtest.Status(500, ""))
	b.open(callback)
	w.zoom.ResetCounts()
	for range 2 {
		if a := b.open(callback); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), w.zoom.URL) {
			t.Errorf("again: %d to %q, want another sign-in", a.StatusCode, a.Header.Get("Location"))
		}
	}
	if n := w.zoom.Count(zoomtest.CallCode); n != 0 {
		t.Errorf("%d more exchanges", n)
	}
	// What was not sent is still good.
	callback = b.consent(b.open("/deep"), "user-bob")
	broken = "load"
	w.wantUnavailable("a callback with a store that cannot be read", b.open(callback))
	broken = ""
	if a := b.open(callback); a.Header.Get("Location") != "/deep" {
		t.Errorf("again: %d to %q, want the session", a.StatusCode, a.Header.Get("Location"))
	}
}
