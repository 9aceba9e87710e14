package scrub

import (
	"io"
	"net/http"
	"sync"
)

// scrubTrailers removes our names from the trailers of r: the announced ones
// now, and those that arrive once the body has been read when they do.
//
// Deleting announced names is not enough. At the end of a chunked HTTP/1 body
// net/http merges whatever trailers the client sent, announced or not, into
// the map (transferReader's body.readTrailer), and a reverse proxy forwards
// them right after it has seen io.EOF: next to the real header, where many
// upstreams merge the two.
func (s *Headers) scrubTrailers(r *http.Request) {
	s.dropTrailers(r.Trailer)

	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	// HTTP/1 carries trailers only behind a body of unknown length, and HTTP/2
	// only announced ones. The HTTP/3 server replaces the map by all there are.
	if r.Trailer == nil && r.ContentLength != -1 && r.ProtoMajor < 3 {
		return
	}
	r.Body = &trailerGuard{ReadCloser: r.Body, scrubber: s, request: r, announced: r.Trailer}
}

func (s *Headers) dropTrailers(trailer http.Header) {
	for key := range trailer {
		if _, ours := s.lookup(key); ours {
			delete(trailer, key)
		}
	}
}

// trailerGuard is a request body that takes our names off the trailers before
// its reader can see them. It does not buffer.
//
// A transport reads the body in one goroutine and may close it in another when
// the request is given up. The server fills the trailers during Read or Close,
// so the guard touches them only while no Read is under way, and never again
// once a reader has been told io.EOF and may be looking at them.
type trailerGuard struct {
	io.ReadCloser
	scrubber  *Headers
	request   *http.Request
	announced http.Header

	mu      sync.Mutex
	reading bool
	closed  bool
	ended   bool
}

// Read reads from the guarded body.
func (g *trailerGuard) Read(p []byte) (int, error) {
	g.mu.Lock()
	g.reading = true
	g.mu.Unlock()

	n, err := g.ReadCloser.Read(p)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = false
	switch {
	case g.ended:
	case err == io.EOF:
		g.ended = true
		g.scrubber.dropTrailers(g.announced)
		// Without announced trailers the server sets the field itself, which
		// is ours to see when no handler before us has copied the request.
		g.scrubber.dropTrailers(g.request.Trailer)
	case g.closed:
		g.scrubber.dropTrailers(g.announced)
	}
	return n, err
}

// Close closes the guarded body. The server reads the rest of a short body
// here, trailers included.
func (g *trailerGuard) Close() error {
	err := g.ReadCloser.Close()

	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if !g.reading && !g.ended {
		g.scrubber.dropTrailers(g.announced)
	}
	return err
}

// Interface guards
var _ io.ReadCloser = (*trailerGuard)(nil)
