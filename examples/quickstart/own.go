package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// ownApp reads where an app of the visitor's own is: a port, host:port or an http
// address. Whoever gives only a port leaves the rest to Caddy: a server on
// localhost may listen at [::1] alone.
func ownApp(text string) (addr string, err error) {
	addr = strings.TrimSuffix(strings.TrimPrefix(text, "http://"), "/")
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || number == 0 || strings.ContainsAny(host, "/@ ") {
		return "", fmt.Errorf("-app takes the port or the http address of an app of yours, 3000 or http://127.0.0.1:3000, and not %q", text)
	}
	if host == "" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// answers reports whether anybody listens at addr.
func answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// usualPort is Caddy's where nobody else has it and none is chosen.
const usualPort = 8080

// chooseAddress returns where Caddy can listen, and leaves its address to the
// visitor's app, which may not run yet.
func chooseAddress(port int, appAddr string) (string, error) {
	addr, err := demo.FreeAddress(port)
	if port == usualPort && (err != nil || demo.PortOf(addr) == demo.PortOf(appAddr)) {
		return demo.FreeAddress(0)
	}
	return addr, err
}
