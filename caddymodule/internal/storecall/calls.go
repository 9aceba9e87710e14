// Package storecall is what both session stores stand on: calls that come back when
// their caller has given up, places for them, versions and names of records. What a
// store does in a call is the store's business.
package storecall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	// maxReads and maxChanges are how many calls of a kind a store has
	// under way. What hangs in a dead file system or server can pile up to this
	// and no further. Changes, which may wait for somebody else's lock, cannot take
	// the places of reads.
	maxReads   = 128
	maxChanges = 128

	// maxRetries is how many locks a store tries to get rid of at a time.
	maxRetries = 64

	// callLimit ends calls of callers that brought no deadline of their own.
	callLimit = 30 * time.Second

	// closeLimit is how long closing waits for calls under way.
	closeLimit = 5 * time.Second
)

// Kind is what a call does to the store.
type Kind int

// The kinds of calls.
const (
	Read Kind = iota
	Change
)

// Calls runs the calls of a store such that a caller is back soon after its
// context is done, even where the storage below knows no context, as a file
// system that hangs.
type Calls struct {
	slots   [2]chan struct{}
	retries chan struct{}

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// New returns the calls of one store.
func New() *Calls {
	ctx, cancel := context.WithCancel(context.Background())
	return &Calls{
		slots:   [2]chan struct{}{make(chan struct{}, maxReads), make(chan struct{}, maxChanges)},
		retries: make(chan struct{}, maxRetries),
		ctx:     ctx,
		cancel:  cancel,
	}
}

// Begin waits for a place. The returned context is for the call; end has to be
// called when the call is over, whether or not anybody still waits for it.
func (c *Calls) Begin(ctx context.Context, kind Kind) (callCtx context.Context, end func(), err error) {
	if err := c.Usable(ctx); err != nil {
		return nil, nil, err
	}
	callCtx, cancel := context.WithTimeout(ctx, callLimit)
	slots := c.slots[kind]
	select {
	case slots <- struct{}{}:
	case <-callCtx.Done():
		cancel()
		return nil, nil, fmt.Errorf("session store does not answer, %d calls are waiting: %w", cap(slots), callCtx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-slots
		cancel()
		return nil, nil, zoompkce.ErrStoreClosed
	}
	c.running.Add(1)
	callCtx, cut := context.WithCancelCause(callCtx)
	stop := context.AfterFunc(c.ctx, func() { cut(zoompkce.ErrStoreClosed) })
	return callCtx, func() {
		stop()
		cancel()
		<-slots
		c.running.Done()
	}, nil
}

// Usable is also safe on the nil value of a store that was never provisioned.
func (c *Calls) Usable(ctx context.Context) error {
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

// Close makes later calls fail and gives those under way a few seconds: cut
// off, a refresh token that Zoom gave out once might not be saved.
func (c *Calls) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()

	idle := make(chan struct{})
	go func() {
		c.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(closeLimit):
	}
	c.cancel()
}

// KeepTrying runs f in the background until it succeeds, as long as the store
// is open and has a place for it.
func (c *Calls) KeepTrying(every time.Duration, tries int, f func() bool) {
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
			if c.Usable(context.Background()) != nil || f() {
				return
			}
		}
	}()
}

// Do runs f in a place of its kind.
func Do[T any](ctx context.Context, c *Calls, kind Kind, f func(context.Context) (T, error)) (T, error) {
	ctx, end, err := c.Begin(ctx, kind)
	if err != nil {
		var none T
		return none, err
	}
	return Await(ctx, end, func() (T, error) { return f(ctx) })
}

// Await runs f, the call that begin let in, and waits for it no longer than
// ctx allows. A panic in f, which runs somebody else's storage, must not end the
// server.
func Await[T any](ctx context.Context, end func(), f func() (T, error)) (T, error) {
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

// Sent is err as the error of a change that may have been done: a client that tries again by itself
// tells how its last try has failed, and who sees that nobody was reached takes the change for one
// that never began.
func Sent(err error) error {
	if errors.As(err, new(*net.OpError)) {
		return errors.New(err.Error())
	}
	return err
}
