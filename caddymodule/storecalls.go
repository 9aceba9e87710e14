package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	// maxStoreReads and maxStoreChanges are how many calls of a kind a store has
	// under way. What hangs in a dead file system or server can pile up to this
	// and no further. Changes, which may wait for somebody else's lock, cannot take
	// the places of reads.
	maxStoreReads   = 128
	maxStoreChanges = 128

	// maxStoreRetries is how many locks a store tries to get rid of at a time.
	maxStoreRetries = 64

	// storeCallLimit ends calls of callers that brought no deadline of their own.
	storeCallLimit = 30 * time.Second

	// storeCloseLimit is how long closing waits for calls under way.
	storeCloseLimit = 5 * time.Second
)

// storeCallKind is what a call does to the store.
type storeCallKind int

const (
	storeRead storeCallKind = iota
	storeChange
)

// storeCalls runs the calls of a store such that a caller is back soon after its
// context is done, even where the storage below knows no context, as a file
// system that hangs.
type storeCalls struct {
	slots   [2]chan struct{}
	retries chan struct{}

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func newStoreCalls() *storeCalls {
	ctx, cancel := context.WithCancel(context.Background())
	return &storeCalls{
		slots:   [2]chan struct{}{make(chan struct{}, maxStoreReads), make(chan struct{}, maxStoreChanges)},
		retries: make(chan struct{}, maxStoreRetries),
		ctx:     ctx,
		cancel:  cancel,
	}
}

// begin waits for a place. The returned context is for the call; end has to be
// called when the call is over, whether or not anybody still waits for it.
func (c *storeCalls) begin(ctx context.Context, kind storeCallKind) (callCtx context.Context, end func(), err error) {
	if err := c.usable(ctx); err != nil {
		return nil, nil, err
	}
	closable, cut := context.WithCancelCause(ctx)
	callCtx, cancel := context.WithTimeout(closable, storeCallLimit)
	slots := c.slots[kind]
	select {
	case slots <- struct{}{}:
	case <-callCtx.Done():
		cancel()
		cut(nil)
		return nil, nil, fmt.Errorf("session store does not answer, %d calls are waiting: %w", cap(slots), callCtx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-slots
		cancel()
		cut(nil)
		return nil, nil, zoompkce.ErrStoreClosed
	}
	c.running.Add(1)
	stop := context.AfterFunc(c.ctx, func() { cut(zoompkce.ErrStoreClosed) })
	return callCtx, func() {
		stop()
		cancel()
		cut(nil)
		<-slots
		c.running.Done()
	}, nil
}

// usable is also safe on the nil value of a store that was never provisioned.
func (c *storeCalls) usable(ctx context.Context) error {
	if c == nil {
		return zoompkce.ErrStoreClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return zoompkce.ErrStoreClosed
	}
	return ctx.Err()
}

// close makes later calls fail and gives those under way a few seconds: cut
// off, a refresh token that Zoom gave out once might not be saved.
func (c *storeCalls) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()

	idle := make(chan struct{})
	go func() {
		c.wait()
		close(idle)
	}()
	patience := time.NewTimer(storeCloseLimit)
	defer patience.Stop()
	select {
	case <-idle:
	case <-patience.C:
	}
	c.cancel()
}

// wait waits until no call is under way.
func (c *storeCalls) wait() { c.running.Wait() }

// keepTrying runs f in the background until it succeeds, as long as the store
// is open and has a place for it.
func (c *storeCalls) keepTrying(every time.Duration, tries int, f func() bool) {
	select {
	case c.retries <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.retries }()
		for range tries {
			select {
			case <-time.After(every):
			case <-c.ctx.Done():
				return
			}
			if c.usable(context.Background()) != nil || f() {
				return
			}
		}
	}()
}

// callStore runs f in a place of its kind.
func callStore[T any](ctx context.Context, c *storeCalls, kind storeCallKind, f func(context.Context) (T, error)) (T, error) {
	ctx, end, err := c.begin(ctx, kind)
	if err != nil {
		var none T
		return none, err
	}
	return awaitStore(ctx, end, func() (T, error) { return f(ctx) })
}

// awaitStore runs f, the call that begin let in, and waits for it no longer than
// ctx allows. A panic in f, which runs somebody else's storage, must not end the
// server.
func awaitStore[T any](ctx context.Context, end func(), f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer end() // after the outcome is there, for it ends ctx
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("session store: panic: %v", p)
			}
			done <- o
		}()
		o.value, o.err = f()
	}()
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
		select {
		case o = <-done:
		default:
			o.err = ctx.Err()
		}
	}
	if o.err != nil && errors.Is(context.Cause(ctx), zoompkce.ErrStoreClosed) {
		o.err = zoompkce.ErrStoreClosed
	}
	return o.value, o.err
}
