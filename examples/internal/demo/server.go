package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is an HTTP server on 127.0.0.1 whose address is known before it
// serves.
type Server struct {
	Addr     string
	listener net.Listener
	http     *http.Server
}

// Listen takes a port, 0 for a free one; what names the server in an error.
// Visitors wait until Start.
func Listen(what string, port int) (*Server, error) {
	listener, err := listen(port)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", what, err)
	}
	return &Server{Addr: listener.Addr().String(), listener: listener}, nil
}

// Start serves requests until Stop.
func (s *Server) Start(h http.Handler) {
	s.http = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(s.listener) }()
}

// Stop lets requests end, but not for long. There may be no server yet.
func (s *Server) Stop() error {
	if s == nil {
		return nil
	}
	if s.http == nil {
		return s.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		// A browser can keep a connection open that it never used.
		return s.http.Close()
	}
	return nil
}
