package fleettest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Config says who plays.
type Config struct {
	// Users is how many people there are; each has three browsers.
	Users int
	// Pause is the longest time between two steps of a browser.
	Pause time.Duration
	// Seldom is how many requests a browser makes for each of its sign-outs, and for
	// each refusal of an access token before its time. Default: 20.
	Seldom int
	// Leave has browsers sign out and, if all do, users leave altogether.
	Leave Leaving
	// Ends is the longest time between two ends of a user by an operator. 0: never.
	Ends time.Duration
	// Open opens the store of one more process, for as long as the test runs.
	Open func(t testing.TB) zoompkce.Store
}

// Leaving is which of a user's browsers sign out at times.
type Leaving int

// All but the first, or all of them.
const (
	MostLeave Leaving = iota
	AllLeave
)

// Fleet is everybody who plays.
type Fleet struct {
	testing.TB
	Zoom *zoomtest.Server

	config Config
	app    *zoomtest.App
	began  time.Time

	mu        sync.Mutex
	users     []*user
	processes []*Process
	codes     map[string]*grant
	tokens    map[string]*issue
	forgets   int       // how often the store may forget at this moment
	forgot    time.Time // when it last may have
	unsavedAt time.Time // when a process last had something unsaved
	counts
}

// counts are what happened, for the log.
type counts struct {
	served, sure, refused      int
	signIns, signOuts, ends    int
	refreshes, kills, forgives int
}

// New begins a fleet without processes.
func New(t testing.TB, c Config) *Fleet {
	c.Seldom = cmp.Or(c.Seldom, 20)
	f := &Fleet{
		TB: t, Zoom: zoomtest.NewUnstartedServer(), config: c, began: time.Now(),
		codes: make(map[string]*grant), tokens: make(map[string]*issue),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.Zoom.URL = "http://" + listener.Addr().String()
	f.Zoom.APIURL = f.Zoom.URL
	f.app = f.Zoom.AddApp(zoomtest.App{ClientSecret: "app-secret", RedirectURIs: []string{callbackURI}})
	for n := range c.Users {
		u := &user{Fleet: f, name: fmt.Sprintf("user-%d", n+1)}
		f.Zoom.AddUser(zoomtest.User{ID: u.name, Email: u.name + "@example.com", Verified: 1})
		f.users = append(f.users, u)
	}
	serving := &http.Server{Handler: watchedZoom{f}, ReadHeaderTimeout: time.Minute}
	go func() { _ = serving.Serve(listener) }()
	t.Cleanup(func() {
		f.Zoom.Close()
		serving.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return f
}

// Play has people sign in, ask and leave for some time while trouble goes on, and
// checks that everything is well afterwards.
func (f *Fleet) Play(length time.Duration, trouble func(context.Context)) {
	ctx, cancel := context.WithTimeout(f.Context(), length)
	defer cancel()
	var playing sync.WaitGroup
	for _, u := range f.users {
		for n := range 3 {
			leaves := n > 0 || f.config.Leave == AllLeave
			playing.Go(func() { f.browse(ctx, u, leaves) })
		}
	}
	if f.config.Ends > 0 {
		playing.Go(func() { f.operate(ctx) })
	}
	playing.Go(func() { f.watchUnsaved(ctx) })
	playing.Go(func() { trouble(ctx) })
	playing.Wait()
	f.settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Logf("%d requests were served, %d of them to sessions of which nobody doubts that they live, %d got 503; "+
		"%d sign-ins, %d sign-outs, %d users ended, %d refreshes, %d kills, %d times the store may have forgotten",
		f.served, f.sure, f.refused, f.signIns, f.signOuts, f.ends, f.refreshes, f.kills, f.forgives)
	if f.served == 0 || f.refreshes == 0 || f.sure < f.served/4 {
		f.Error("nothing was tested")
	}
}

// Forget is for trouble that may have the store lose what it has taken then or up to
// lag before, as asynchronous replication does: nobody is blamed for what was lost.
func (f *Fleet) Forget(lag time.Duration, trouble func()) {
	f.mu.Lock()
	f.forgets++
	f.forgives++
	since := time.Now().Add(-lag)
	f.mu.Unlock()
	trouble()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgets--
	f.forgot = time.Now()
	for _, u := range f.users {
		u.forget(since)
	}
}

// mayForget reports whether the store may have forgotten something since. It is called with
// the lock.
func (f *Fleet) mayForget(since time.Time) bool { return f.forgets > 0 || f.forgot.After(since) }

// sleep waits a little while.
func sleep(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(most)):
	}
}

// Repeat does something again and again, with pauses of up to most.
func Repeat(ctx context.Context, most time.Duration, do func(n int)) {
	for n := 0; ctx.Err() == nil; n++ {
		do(n)
		sleep(ctx, most)
	}
}

func (f *Fleet) process(name string) *Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.processes {
		if p.name == name {
			return p
		}
	}
	return &Process{name: name}
}

// some is one of the processes that live.
func (f *Fleet) some() *Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	if living := f.living(); len(living) > 0 {
		return living[rand.IntN(len(living))]
	}
	return nil
}

func (f *Fleet) living() (list []*Process) {
	for _, p := range f.processes {
		if !p.killed.Load() {
			list = append(list, p)
		}
	}
	return list
}
