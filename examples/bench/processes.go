package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// This program starts itself again for each of its parts, with the part in an
// environment variable and what it needs on standard input.
const roleVariable = "ZOOM_PKCE_BENCH_ROLE"

// runRole is the life of such a process: until its standard input ends, which
// it does when its parent does.
func runRole(role string) error {
	input, err := readMessage(os.Stdin)
	if err != nil {
		return err
	}
	switch role {
	case "app":
		listener, err := net.Listen("tcp", input)
		if err != nil {
			return err
		}
		go func() { _ = http.Serve(listener, http.HandlerFunc(app)) }()
	case "caddy":
		if err := demo.StartCaddy(input); err != nil {
			return err
		}
	default:
		return errors.New("there is no such part")
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if role == "caddy" {
		return demo.StopCaddy()
	}
	return nil
}

// app is what is behind both Caddys.
func app(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/headers" {
		_ = json.NewEncoder(w).Encode(r.Header)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// part is a process of the comparison.
type part struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	addr  string

	interrupt bool // ends it; else the end of its standard input does
}

// startPart starts a process and waits until it listens at addr.
func startPart(ctx context.Context, role, input, addr string, env ...string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &part{cmd: exec.Command(self), addr: addr}
	p.cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := writeMessage(p.stdin, input); err != nil {
		p.stop()
		return nil, err
	}
	if err := demo.AwaitListener(ctx, role, "tcp", addr); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// stop ends the process, in peace if it can be had, and returns how long it had
// a processor.
func (p *part) stop() time.Duration {
	if p.cmd.ProcessState == nil {
		if p.interrupt {
			_ = p.cmd.Process.Signal(os.Interrupt)
		} else {
			p.stdin.Close()
		}
		kill := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
		defer kill.Stop()
		_ = p.cmd.Wait()
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// A message has its length before it, so that standard input can stay open.
func writeMessage(w io.Writer, text string) error {
	_, err := fmt.Fprintf(w, "%d\n%s", len(text), text)
	return err
}

func readMessage(r io.Reader) (string, error) {
	var length int
	if _, err := fmt.Fscanf(r, "%d\n", &length); err != nil {
		return "", fmt.Errorf("reading what to do: %w", err)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(length)); err != nil {
		return "", fmt.Errorf("reading what to do: %w", err)
	}
	return b.String(), nil
}

// caddyfile is a Caddy with one site that keeps to itself.
func caddyfile(dir, addr string, directives ...string) string {
	return demo.GlobalOptions(dir) + fmt.Sprintf("http://%s {\nbind 127.0.0.1\n%s\n}\n", addr, strings.Join(directives, "\n"))
}
