package zoomapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	userAgent      = "caddy-zoom-pkce (+https://github.com/zoompkce/caddy-zoom-pkce)"
	connectTimeout = 5 * time.Second
	maxAnswer      = 1 << 20
)

var errOversized = errors.New("the answer is larger than 1 MiB")

// NewHTTPClient returns an http.Client for calls to Zoom: 5 s to connect, the
// proxy of the environment, HTTP/2 with dead connections noticed, no redirects.
// Redirects are not followed because no endpoint of Zoom's API answers with
// one: following it could carry a token to another host.
func NewHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		CheckRedirect: keepRedirect,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   connectTimeout,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
			// Only a backstop: each call has a shorter deadline of its own.
			ResponseHeaderTimeout:  time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			// Without pings a connection that died silently swallows every
			// call until TCP gives up, minutes later.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: connectTimeout},
		},
	}
}

func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answer is one complete HTTP answer of Zoom and the moment it was complete.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     time.Time
}

// ok reports whether the status is one of success.
func (a *answer) ok() bool { return a.status/100 == 2 }

// recorder performs one HTTP exchange and keeps the answer, for two reasons:
// golang.org/x/oauth2 cuts a body off at 1 MiB without saying so, and it does
// not hand out the body of an answer that it cannot read.
type recorder struct {
	base http.RoundTripper
	got  *answer
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	res, err := r.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, maxAnswer))
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, errOversized
	}
	if err != nil {
		return nil, err
	}
	r.got = &answer{status: res.StatusCode, header: res.Header, body: body, at: time.Now()}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// exchange makes one call to Zoom: send issues exactly one request with the
// client it is given, read turns the answer into a result or an *Error. The
// deadline covers the last byte of the body too, so a dripping server is cut.
func (c *Client) exchange(
	ctx context.Context, call Call,
	send func(context.Context, *http.Client) error, read func(*answer) error,
) (err error) {
	status := 0
	if c.trace != nil {
		traced, done := c.trace(ctx, call)
		if traced != nil {
			ctx = traced
		}
		if done != nil {
			defer func() { done(status, err) }()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	base := c.http.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	rec := &recorder{base: base}
	var transport http.RoundTripper = rec
	if c.key != nil && (call == CallCode || call == CallRefresh || call == CallRevoke) {
		transport = asserter{rec, c}
	}
	hc := &http.Client{Transport: transport, CheckRedirect: keepRedirect, Timeout: c.http.Timeout}
	err = send(ctx, hc)
	if rec.got == nil {
		return transportError(call, err)
	}
	// What send says about a complete answer is ignored: read knows Zoom.
	status = rec.got.status
	return read(rec.got)
}

// do sends a request that does not go through golang.org/x/oauth2.
func do(req *http.Request) func(context.Context, *http.Client) error {
	return func(ctx context.Context, hc *http.Client) error {
		res, err := hc.Do(req.WithContext(ctx))
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
}

var _ http.RoundTripper = (*recorder)(nil)
