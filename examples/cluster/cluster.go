package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
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
	app   *demo.Server
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
	address, err := demo.FreeAddress(port)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	c := &cluster{url: "http://" + address, end: end}
	if err := c.start(ctx, demo.PortOf(address), out); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, port string, out io.Writer) (err error) {
	c.zoom = demo.StartZoom(zoomtest.App{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{c.url + "/zoom_pkce/callback"},
	})
	if c.app, err = demo.Listen("the app", 0); err != nil {
		return err
	}
	c.app.Start(http.HandlerFunc(showPage))
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
		address, err := demo.FreeAddress(0)
		if err != nil {
			return err
		}
		file := filepath.Join(c.dir, "Caddyfile."+demo.PortOf(address))
		caddyfile := nodeCaddyfile(name, address, c.url, c.zoom.URL, c.redis.addr, c.app.Addr, filepath.Join(c.dir, "caddy"))
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
	return demo.StartCaddy(balancerCaddyfile(port, filepath.Join(c.dir, "balancer"), addresses))
}

// startRedis starts a Redis that writes down every change before it answers, so
// that it can be killed too.
func (c *cluster) startRedis(ctx context.Context, out io.Writer) error {
	address, err := demo.FreeAddress(0)
	if err != nil {
		return err
	}
	c.redis = &process{name: "Redis", addr: address, out: out, command: func() *exec.Cmd {
		return exec.Command("redis-server", "--bind", "127.0.0.1", "--port", demo.PortOf(address), "--dir", c.dir,
			"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	}}
	return c.redis.start(ctx)
}

// stop ends what was started, the visitors' side first.
func (c *cluster) stop() error {
	err := demo.StopCaddy()
	c.end()
	for _, p := range append(c.nodes, c.redis) {
		if p != nil {
			p.ended.Wait()
		}
	}
	err = errors.Join(err, c.app.Stop())
	if c.zoom != nil {
		c.zoom.Close()
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}
