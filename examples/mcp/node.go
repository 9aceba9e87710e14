package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// node is a process of Node.js that serves at a socket.
type node struct {
	name  string
	stop  context.CancelFunc
	ended chan struct{}
	err   error // why it ended; like said, for those who know that it has
	said  bytes.Buffer
}

// startNode runs a script until stop, and waits until it listens. It gets no more of
// the environment than env: one of the servers shows all of it to who asks.
func startNode(ctx context.Context, name, dir, socket string, env []string, script ...string) (*node, error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w; install Node.js", name, err)
	}
	n := &node{name: name, ended: make(chan struct{})}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	cmd := exec.CommandContext(running, path, script...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(env, "PORT="+socket), &n.said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		n.err = cmd.Wait()
		close(n.ended)
	}()
	if err := n.await(ctx, socket); err != nil {
		n.end()
		return nil, err
	}
	return n, nil
}

// await waits until the process listens, or has ended.
func (n *node) await(ctx context.Context, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listens := make(chan error, 1)
	go func() { listens <- demo.AwaitListener(ctx, n.name, "unix", socket) }()
	select {
	case err := <-listens:
		return err
	case <-n.ended:
		return fmt.Errorf("%s ended: %w\n%s", n.name, n.err, n.said.Bytes())
	}
}

// end ends the process. There may be none yet.
func (n *node) end() {
	if n != nil {
		n.stop()
		<-n.ended
	}
}
