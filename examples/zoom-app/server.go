package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// server is an HTTP server on 127.0.0.1 whose address is known before it
// serves.
type server struct {
	addr     string
	listener net.Listener
	http     *http.Server
}

func listen(what string, port int) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", what, err)
	}
	return &server{addr: listener.Addr().String(), listener: listener}, nil
}

func (s *server) start(h http.Handler) {
	s.http = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(s.listener) }() // ends with stop
}

func (s *server) stop() error {
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
