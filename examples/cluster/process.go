package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// downtime is how long a process stays away after it was killed.
const downtime = 5 * time.Second

// process is a program that is started again when it ends.
type process struct {
	name    string
	addr    string // where it listens
	command func() *exec.Cmd
	out     io.Writer

	current atomic.Pointer[exec.Cmd]
	ended   sync.WaitGroup
}

// start starts the program and waits until it listens. From then on it is kept
// running until ctx is done.
func (p *process) start(ctx context.Context) error {
	exited, err := p.launch()
	if err != nil {
		return err
	}
	p.ended.Go(func() { p.supervise(ctx, exited) })
	return demo.AwaitListener(ctx, p.name, "tcp", p.addr)
}

// launch starts the program once. Its standard input is closed when this
// process is gone, by which the Caddys know that they are not needed any more.
func (p *process) launch() (exited <-chan struct{}, err error) {
	cmd := p.command()
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.current.Store(cmd)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	return done, nil
}

func (p *process) supervise(ctx context.Context, exited <-chan struct{}) {
	for {
		select {
		case <-exited:
		case <-ctx.Done():
			_ = p.kill()
			<-exited
			return
		}
		if ctx.Err() != nil {
			return
		}
		fmt.Fprintf(p.out, "%s is gone; it comes back in %s\n", p.name, downtime)
		select {
		case <-time.After(downtime):
		case <-ctx.Done():
			return
		}
		var err error
		if exited, err = p.launch(); err != nil {
			fmt.Fprintf(p.out, "%v\n", err)
			return
		}
		fmt.Fprintf(p.out, "%s is back as process %d\n", p.name, p.pid())
	}
}

func (p *process) pid() int { return p.current.Load().Process.Pid }

// kill ends the program as kill -9 does.
func (p *process) kill() error { return p.current.Load().Process.Kill() }
