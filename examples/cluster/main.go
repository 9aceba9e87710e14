// Cluster shows two Caddys that share their sessions in Redis, behind a third
// one that balances the load:
//
//	go run ./examples/cluster
//
// It needs a redis-server in the PATH and nothing else: Zoom is simulated.
// Everything listens on 127.0.0.1 only, and what is written goes to a
// temporary directory. README.md says what to kill, and what happens then.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() {
	if file := os.Getenv(nodeConfig); file != "" {
		demo.Exit("cluster", runNode(file, os.Stdin))
	}
	demo.Main("cluster", run)
}

// run starts everything, and waits until ctx is done or tries it by itself.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("cluster", "Runs two Caddys that share sessions in Redis, a load balancer before them, a small\n"+
		"app and a simulated Zoom. It needs a redis-server in the PATH.")
	port := demo.PortFlag(flags, 8080, "the load balancer's")
	check := flags.Bool("check", false, "sign in without a browser, kill a Caddy, tell what happens, and exit")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	c, err := startCluster(ctx, *port, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if *check {
		return c.check(ctx, stdout)
	}
	fmt.Fprintf(stdout, welcome, c.url, c.nodes[0].pid(), c.nodes[1].pid(), c.redis.pid(), c.nodes[0].pid())
	<-ctx.Done()
	return nil
}

const welcome = `
  Open  %s

  Sign in, then reload the page: two Caddys answer in turns, and both know you.

  first Caddy   process %d
  second Caddy  process %d
  Redis         process %d

  Kill what you like, for example with  kill -9 %d
  What was killed is started again after 5 seconds. Ctrl-C ends everything.

`
