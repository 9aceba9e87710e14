// Package bodies reads bodies of requests whose sender nobody knows yet: within
// bounds of size, time and memory. What is in them is for others to say.
package bodies

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// ErrTooLong is for a body that is longer than one may be; ErrBusy means that
// others fill the memory there is for all.
var (
	ErrTooLong = errors.New("the body is too long")
	ErrBusy    = errors.New("too many bodies are being read at a time")
)

// Limits are for all bodies of one kind in a process.
type Limits struct {
	Each     int           // bytes of one
	All      int           // bytes of all that are held at a time
	Patience time.Duration // until one has come as a whole

	held atomic.Int64
}

const (
	firstRead = 4 << 10
	// maxDiscarded bounds what is read, and forgotten, of a body that is too long: a
	// client that is still sending when the connection closes sees a reset instead of
	// the answer.
	maxDiscarded = 2 << 20
)

// Read reads the body of r. Memory is taken as the bytes come, so that nobody has any
// for having announced them, and none for a request that has no body. release has to be
// called when the body is not used any more, whatever the error.
//
// After an error the deadline stays: net/http reads on for some time.
func (l *Limits) Read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	size := 0
	release = func() { l.held.Add(-int64(size)) }
	if r.Body == http.NoBody {
		return nil, release, nil
	}
	connection := http.NewResponseController(w)
	// Not every writer has one, but all that stand for a connection.
	_ = connection.SetReadDeadline(time.Now().Add(l.Patience))
	for {
		if len(body) == size {
			grown, all := min(max(firstRead, 2*size), l.Each+1), l.All
			if body != nil {
				all -= l.All / 16 // large ones leave room for small ones
			}
			if l.held.Add(int64(grown-size)) > int64(all) {
				l.held.Add(int64(size - grown))
				LeaveUnread(w, r)
				return nil, release, ErrBusy
			}
			body, size = append(make([]byte, 0, grown), body...), grown
		}
		n, err := r.Body.Read(body[len(body):size])
		body = body[:len(body)+n]
		switch {
		case len(body) > l.Each:
			_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
			return nil, release, ErrTooLong
		case err == io.EOF:
			_ = connection.SetReadDeadline(time.Time{})
			return body, release, nil
		case err != nil:
			return nil, release, err
		}
	}
}

// LeaveUnread makes the answer to r come at once: net/http reads what a client still
// sends before it answers, to keep the connection, and waits for it.
func LeaveUnread(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}
