package zoomtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"syscall"
)

// NewTransport returns a RoundTripper that answers every request, whatever its
// host, by calling h in a goroutine of its own. No socket is involved: inside a
// testing/synctest bubble a waiting client is durably blocked. The client's
// context is honoured, and the handler sees it end when the client leaves.
func NewTransport(h http.Handler) http.RoundTripper {
	return transport{h}
}

type transport struct {
	handler http.Handler
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	if err := r.Context().Err(); err != nil {
		body.Close()
		return nil, err
	}
	ctx, leave := context.WithCancel(r.Context())
	reader, writer := io.Pipe()
	w := &pipeWriter{
		header: http.Header{},
		pipe:   writer,
		head:   r.Method == http.MethodHead,
		ready:  make(chan struct{}),
	}
	context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })
	go func() {
		defer body.Close()
		w.serve(t.handler, asReceived(r.Clone(ctx), body))
	}()

	var err error
	select {
	case <-w.ready:
		err = w.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		leave()
		return nil, err
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		ContentLength: w.length,
		Body:          &pipeBody{reader, leave},
		Request:       r,
	}, nil
}

// asReceived turns an outgoing request into what a server would see of it.
func asReceived(r *http.Request, body io.ReadCloser) *http.Request {
	r.Body = body
	r.RequestURI = r.URL.RequestURI()
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.RemoteAddr = "192.0.2.1:1234" // TEST-NET-1, as in httptest
	r.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return r
}

// pipeBody tells the handler that the client has left.
type pipeBody struct {
	*io.PipeReader
	leave context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.leave()
	return b.PipeReader.Close()
}

// pipeWriter is the ResponseWriter of a RoundTrip. The fields up to ready are
// the round trip's once ready is closed.
type pipeWriter struct {
	status int
	sent   http.Header
	length int64
	err    error
	ready  chan struct{}

	header  http.Header
	pipe    *io.PipeWriter
	head    bool
	written int64
	once    sync.Once
}

func (w *pipeWriter) Header() http.Header {
	return w.header
}

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent, w.length = status, w.header.Clone(), -1
		if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
			w.length = n
		}
		close(w.ready)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(p), nil
	}
	if w.length >= 0 && w.written+int64(len(p)) > w.length {
		return 0, http.ErrContentLength
	}
	n, err := w.pipe.Write(p)
	w.written += int64(n)
	return n, err
}

// Flush does nothing: every write goes straight to the client.
func (w *pipeWriter) Flush() {}

// serve runs the handler and ends the answer the way a server would: cleanly,
// cut off if it is shorter than it announced, reset if the handler aborted.
func (w *pipeWriter) serve(h http.Handler, r *http.Request) {
	defer func() {
		switch err := recover(); {
		case err == nil:
		case errors.Is(asError(err), http.ErrAbortHandler):
			w.abort(fmt.Errorf("read: %w", syscall.ECONNRESET))
		default:
			panic(err)
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	switch err := r.Context().Err(); {
	case err != nil: // the handler gave up: its answer is not complete
		w.pipe.CloseWithError(err)
	case !w.head && w.length > w.written:
		w.pipe.CloseWithError(io.ErrUnexpectedEOF)
	default:
		w.pipe.Close()
	}
}

func (w *pipeWriter) abort(err error) {
	w.once.Do(func() {
		w.err = err
		close(w.ready)
	})
	w.pipe.CloseWithError(err)
}

func asError(v any) error {
	err, _ := v.(error)
	return err
}
