package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// FreeAddress returns the address of a port, 0 for any, at which nobody listens.
// It is for those who open their listener themselves, after others have to know
// where: Zoom knows Caddy's address before Caddy starts.
func FreeAddress(port int) (string, error) {
	listener, err := listen(port)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// listen takes a port of 127.0.0.1, 0 for a free one.
func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of 127.0.0.1 is in use; choose another port with -port, 0 for a free one", port)
	}
	return listener, err
}

// PortOf returns the port of an address.
func PortOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// AwaitListener waits until the process called name listens at addr, an address of
// the network tcp or unix.
func AwaitListener(ctx context.Context, name, network, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not listen at %s: %w", name, addr, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
