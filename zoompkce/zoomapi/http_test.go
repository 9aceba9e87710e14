package zoomapi

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func clientWith(t *testing.T, transport http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{ClientID: testClientID, ClientSecret: testSecret, HTTPClient: &http.Client{Transport: transport}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drip is a body that comes a byte a second, until its request is cancelled.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	}
}

func (drip) Close() error { return nil }

func TestTimeoutCoversADrippingBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientWith(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: drip{r.Context()}}, nil
		}), func(cfg *Config) { cfg.Timeout = 7 * time.Second })
		for call, do := range tokenCalls {
			start := time.Now()
			_, err := do(t, c)
			if KindOf(err) != KindUnavailable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", call, err)
			}
			if took := time.Since(start); took != 7*time.Second {
				t.Errorf("%s took %v", call, took)
			}
		}
		start := time.Now()
		_, err := c.Me(t.Context(), Token{AccessToken: "a"})
		if took := time.Since(start); KindOf(err) != KindUnavailable || took != 7*time.Second {
			t.Errorf("me took %v: %v", took, err)
		}
	})
}

func TestCallerCanCancel(t *testing.T) {
	c := serveZoom(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then net/http notices that the client left
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Refresh(ctx, "r"); !errors.Is(err, context.DeadlineExceeded) || KindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestExpiryCountsFromTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientWith(t, roundTripFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			body := io.NopCloser(strings.NewReader(goodToken))
			// A Date header of another clock must not matter.
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Date": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, Body: body,
			}, nil
		}))
		start := time.Now()
		got, err := c.Refresh(t.Context(), "r")
		if err != nil || !got.Expiry.Equal(start.Add(time.Hour+3*time.Second)) {
			t.Errorf("expiry %v after the start: %v", got.Expiry.Sub(start), err)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Store(true) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		// A caller's own client follows redirects unless it is told not to.
		c := serveZoom(t, reply(status, "{}", "Location", other.URL), func(cfg *Config) { cfg.HTTPClient = &http.Client{} })
		_, refresh := c.Refresh(t.Context(), "r")
		_, me := c.Me(t.Context(), Token{AccessToken: "a"})
		revoke := c.Revoke(t.Context(), "a")
		for _, err := range []error{refresh, me, revoke} {
			if KindOf(err) != KindNonsense || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%d: got %v", status, err)
			}
		}
	}
	if leaked.Load() {
		t.Error("a redirect was followed")
	}
}

func TestBodiesAreBounded(t *testing.T) {
	for name, test := range map[string]struct {
		size int
		zip  bool
		kind Kind
	}{
		"exactly 1 MiB":   {maxAnswer, false, KindUnknown},
		"one byte more":   {maxAnswer + 1, false, KindNonsense},
		"gzip bomb":       {64 << 20, true, KindNonsense},
		"small with gzip": {1000, true, KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveZoom(t, func(w http.ResponseWriter, _ *http.Request) {
				var out io.Writer = w
				if test.zip {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					out = z
				}
				// Padding after a good answer: cut off, it would be accepted.
				io.WriteString(out, goodToken)
				io.CopyN(out, spaces{}, int64(test.size-len(goodToken)))
			})
			_, err := c.Refresh(t.Context(), "r")
			if KindOf(err) != test.kind {
				t.Errorf("got %v", err)
			}
		})
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	c := clientWith(t, nil, func(cfg *Config) { cfg.OAuthURL = "http://" + listener.Addr().String() })
	_, err = c.ZAK(t.Context(), Token{AccessToken: "a"}, time.Hour)
	if KindOf(err) != KindUnavailable || strings.Contains(err.Error(), "ttl") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("the error does not say why: %v", err)
	}
}

func TestTransportErrorsDoNotQuoteThePeer(t *testing.T) {
	const secret = "the-code"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, "HTTP/1.1 "+secret+" you sent me this\r\n\r\n")
			conn.Close()
		}
	}()
	c := clientWith(t, nil, func(cfg *Config) { cfg.OAuthURL = "http://" + listener.Addr().String() })
	_, err = c.Exchange(t.Context(), "", secret, "verifier")
	if KindOf(err) != KindUnavailable || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestTrace(t *testing.T) {
	type seen struct {
		call   Call
		status int
		kind   Kind
	}
	type key struct{}
	var got []seen
	c := serveZoom(t, reply(http.StatusBadRequest, `{"error":"invalid_grant"}`), func(cfg *Config) {
		base := http.DefaultTransport
		cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if r.Context().Value(key{}) != "span" {
				t.Error("the request does not carry the context of the trace")
			}
			return base.RoundTrip(r)
		})}
		cfg.Trace = func(ctx context.Context, call Call) (context.Context, func(int, error)) {
			return context.WithValue(ctx, key{}, "span"), func(status int, err error) {
				got = append(got, seen{call, status, KindOf(err)})
			}
		}
	})
	c.Refresh(t.Context(), "r")
	broken := clientWith(t, roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, io.EOF }), func(cfg *Config) {
		cfg.Trace = func(ctx context.Context, call Call) (context.Context, func(int, error)) {
			return nil, func(status int, err error) {
				if status != 0 || KindOf(err) != KindUnavailable {
					t.Errorf("without an answer: %d, %v", status, err)
				}
			}
		}
	})
	broken.Refresh(t.Context(), "r")
	if want := (seen{CallRefresh, 400, KindInvalidGrant}); len(got) != 1 || got[0] != want {
		t.Errorf("traced %v, want %v", got, want)
	}
}

// countedBody tells whether it was closed.
type countedBody struct {
	io.Reader
	closed bool
}

func (b *countedBody) Close() error { b.closed = true; return nil }

// An exchange leaves the caller's request as it is, and no connection open.
func TestRecorder(t *testing.T) {
	body := &countedBody{Reader: strings.NewReader("{}")}
	r := &recorder{base: roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Accept") != "application/json" || r.Header.Get("User-Agent") != userAgent {
			t.Errorf("headers: %v", r.Header)
		}
		return &http.Response{StatusCode: 200, Body: body}, nil
	})}
	req, err := http.NewRequest("GET", "https://zoom.us/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RoundTrip(req); err != nil || !body.closed || len(req.Header) != 0 {
		t.Errorf("%v, closed %t, headers %v", err, body.closed, req.Header)
	}
}

// Zoom is spoken to by HTTP/2, one connection for all calls.
func TestHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := NewHTTPClient()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	defer transport.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != "HTTP/2.0" {
		t.Errorf("spoke %s", got)
	}
}

// Of errors whose text may come from the peer only the type is told.
func TestTransportCauses(t *testing.T) {
	unknown := errors.New("S3CRET")
	for want, err := range map[string]error{
		"http exchange failed (*errors.errorString)": fmt.Errorf("more: %w", fmt.Errorf("more: %w", unknown)),
		"dial: down": &url.Error{Err: &net.OpError{Op: "dial", Err: errors.New("down")}},
		"EOF":        &url.Error{Err: io.EOF},
	} {
		if got := transportCause(err); got == nil || got.Error() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	certificate := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	if got := transportCause(fmt.Errorf("more: %w", certificate)); got.Error() != certificate.Error() {
		t.Errorf("got %v", got)
	}
}
