package zoompkce

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// A store behind a network is away for a second or two when it is restarted or
// fails over, and its client may answer for a while with what it remembers of dialing. A
// request that depends on the store waits that long.
const (
	minOutagePause = 20 * time.Millisecond
	maxOutagePause = 250 * time.Millisecond
)

// outage is the wait of one piece of work for a store that cannot be reached.
type outage struct {
	began time.Time
	pause time.Duration
}

// outlast waits a little before another try, and reports false if there is to be
// none.
func (o *outage) outlast(ctx context.Context) bool {
	if o.began.IsZero() {
		o.began, o.pause = time.Now(), minOutagePause/2
	}
	o.pause = min(2*o.pause, maxOutagePause)
	return time.Since(o.began)+o.pause < storePatience && sleep(ctx, o.pause) == nil
}

// outlasting repeats a call that may be repeated until the store can be reached.
func outlasting[T any](ctx context.Context, call func() (T, error)) (T, error) {
	var o outage
	for {
		value, err := call()
		if !unreached(err) || !o.outlast(ctx) {
			return value, err
		}
	}
}

// unreached reports whether the connection to the store failed. What was to be
// done may be done nevertheless.
func unreached(err error) bool {
	return errors.As(err, new(*net.OpError)) || errors.Is(err, io.EOF)
}

// neverSent reports whether a call to the store failed before there was a connection.
func neverSent(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}
