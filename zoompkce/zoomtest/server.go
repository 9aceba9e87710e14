package zoomtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// unstartedURL is the base URL of a server that listens nowhere.
const unstartedURL = "https://zoom.test"

// A Server is a simulated Zoom. Both the OAuth endpoints (/oauth/...) and the
// REST API (/v2/...) are below URL.
//
// The exported fields may be set until the first request that should see them;
// everything else is safe for concurrent use.
type Server struct {
	// URL is the base URL, without a trailing slash. For an unstarted server
	// it is fixed; set it when the server is mounted in an http.Server of
	// your own.
	URL string

	// APIURL is the api_url of token answers: the base URL of the user's
	// region. The constructors set it to URL; empty leaves the field out, as
	// Zoom once did.
	APIURL string

	// AccessTokenLifetime is how long access tokens live; 0 means Zoom's hour.
	AccessTokenLifetime time.Duration

	// ZAKLifetime is how long the ZAKs of users/me/zak live; 0 means Zoom's
	// five minutes.
	ZAKLifetime time.Duration

	// KeepOlderSignIns lets a user's earlier tokens for an app survive a
	// later sign-in to it. Zoom's error 4741 says that a later authorization
	// can revoke the earlier one, so by default it does.
	KeepOlderSignIns bool

	// RefreshEndsAccessToken makes a refresh invalidate the access token it
	// replaces. Zoom gives access tokens a fixed hour and nowhere says that a
	// refresh shortens it, so by default the old one lives on.
	RefreshEndsAccessToken bool

	// OmitScope leaves the scope out of token answers, as Zoom does at times
	// for an app that has just been made (zoom/skills, marketplace-apps.md).
	OmitScope bool

	// OmitInClientState leaves the state out of OnAuthorized, where the SDK
	// promises it and zoom/arlo does not get it.
	OmitInClientState bool

	// WebhookClient delivers events; nil means an ordinary client. Whichever
	// it is, it waits 3 s for an answer and follows no redirect.
	WebhookClient *http.Client

	mu      sync.Mutex
	offset  time.Duration
	closed  bool
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	working sync.WaitGroup // requests being answered

	http     *http.Server // nil when unstarted
	client   *http.Client
	registry // apps, users, codes, tokens
	traffic  // counts, recordings, faults, gates
	limits   rateLimits

	refusedRefresh refreshRefusal
}

// NewServer starts a simulated Zoom on a free port of 127.0.0.1. The caller
// should call Close when finished.
func NewServer() *Server {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("zoomtest: listening: " + err.Error())
	}
	s := newServer("http://" + ln.Addr().String())
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = s.http.Serve(ln) }() // always ErrServerClosed or the listener's end
	s.client = &http.Client{Transport: &http.Transport{}}
	return s
}

// NewUnstartedServer returns a simulated Zoom that listens nowhere. It is
// reached through Client, Transport or ServeHTTP, needs no network, and may be
// used inside a testing/synctest bubble if it was made there.
func NewUnstartedServer() *Server {
	s := newServer(unstartedURL)
	s.client = &http.Client{Transport: s.Transport()}
	return s
}

func newServer(url string) *Server {
	s := &Server{URL: url, APIURL: url}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.registry = newRegistry()
	s.traffic = newTraffic()
	return s
}

// Client returns a client for this server: an ordinary one for a started
// server, one over Transport for an unstarted one.
func (s *Server) Client() *http.Client {
	return s.client
}

// Transport returns a RoundTripper that hands requests for any host to this
// server in process; see [NewTransport].
func (s *Server) Transport() http.RoundTripper {
	return NewTransport(s)
}

// Close ends the server: held and hanging calls are let go, connections are
// closed, and it returns when every call has been answered.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	if s.http != nil {
		s.http.Close()
	}
	s.working.Wait()
}

// Advance moves the server's clock forward by d. Clients keep theirs.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Now returns the time on the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time {
	return time.Now().Add(s.offset)
}
