package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The credentials of the app at the simulated Zoom.
const (
	clientID     = "cluster"
	clientSecret = "known-to-everybody"
)

// cluster is everything that runs.
type cluster struct {
	url   string // of the load balancer
	zoom  *zoomtest.Server
	app   *app
	redis *process
	nodes []*process
	dir   string
	end   context.CancelFunc
}

// startCluster starts Zoom, the app, Redis, two Caddys and the load balancer.
func startCluster(ctx context.Context, port int, out io.Writer) (*cluster, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("this example needs a redis-server in the PATH: %w", err)
	}
	address, err := freeAddress(port)
	if err != nil {
		return nil, fmt.Errorf("choosing the load balancer's port; see -port: %w", err)
	}
	ctx, end := context.WithCancel(ctx)
	c := &cluster{url: "http://" + address, end: end}
	if err := c.start(ctx, portOf(address), out); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, port string, out io.Writer) (err error) {
	c.zoom = zoomtest.NewServer()
	c.zoom.AddApp(zoomtest.App{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{c.url + "/zoom_pkce/callback"},
	})
	c.zoom.AddUser(zoomtest.User{ID: userID, Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "Lovelace"})
	if c.app, err = startApp(); err != nil {
		return err
	}
	if c.dir, err = os.MkdirTemp("", "zoom_pkce-cluster-"); err != nil {
		return err
	}
	if err := c.startRedis(ctx, out); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var addresses []string
	for _, name := range []string{"first Caddy", "second Caddy"} {
		address, err := freeAddress(0)
		if err != nil {
			return err
		}
		file := filepath.Join(c.dir, "Caddyfile."+portOf(address))
		caddyfile := nodeCaddyfile(name, address, c.url, c.zoom.URL, c.redis.addr, c.app.addr, filepath.Join(c.dir, "caddy"))
		if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
			return err
		}
		node := &process{name: "the " + name, addr: address, out: out, command: func() *exec.Cmd {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), nodeConfig+"="+file)
			cmd.Stderr = os.Stderr
			return cmd
		}}
		c.nodes = append(c.nodes, node)
		addresses = append(addresses, address)
		if err := node.start(ctx); err != nil {
			return err
		}
	}
	return loadCaddy(balancerCaddyfile(port, filepath.Join(c.dir, "balancer"), addresses))
}

// startRedis starts a Redis that writes down every change before it answers, so
// that it can be killed too.
func (c *cluster) startRedis(ctx context.Context, out io.Writer) error {
	address, err := freeAddress(0)
	if err != nil {
		return err
	}
	c.redis = &process{name: "Redis", addr: address, out: out, command: func() *exec.Cmd {
		return exec.Command("redis-server", "--bind", "127.0.0.1", "--port", portOf(address), "--dir", c.dir,
			"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	}}
	return c.redis.start(ctx)
}

// stop ends what was started, the visitors' side first.
func (c *cluster) stop() error {
	err := caddy.Stop()
	c.end()
	for _, p := range append(c.nodes, c.redis) {
		if p != nil {
			p.ended.Wait()
		}
	}
	if c.app != nil {
		err = errors.Join(err, c.app.server.Close())
	}
	if c.zoom != nil {
		c.zoom.Close()
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// freeAddress returns an address of 127.0.0.1 at which nobody listens.
func freeAddress(port int) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
