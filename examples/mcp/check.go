package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// check signs a client in to each server, by a person who needs no window.
func (r *rig) check(ctx context.Context, out io.Writer) error {
	v, err := demo.NewVisitor(ctx)
	if err != nil {
		return err
	}
	// The server answers trigger-sampling-request once it has asked the client
	// something, on the answer that it has begun, and it asks for the roots on the
	// stream that the client listens to: where events are held back, neither ends.
	err = r.client(ctx, out, "/mcp", func(address string) error {
		end, err := v.AllowProgram(r.zoom.URL, address)
		if err == nil && !strings.Contains(end.Body, "You can close this window.") {
			err = fmt.Errorf("the browser ended on %q", end.Body)
		}
		return err
	}, `echo {"message":"hello"}`, `trigger-sampling-request {"prompt":"are you there?"}`, "get-roots-list")
	if err != nil {
		return err
	}
	// Whoever is signed in already is only asked to allow it.
	err = r.client(ctx, out, "/zoom", func(address string) error {
		consent, err := v.Open(address)
		if err != nil {
			return err
		}
		_, err = v.Allow(consent)
		return err
	}, "who_am_i", "zoom_profile")
	if err != nil {
		return err
	}
	list, err := v.Open(r.url + "/zoom_pkce/programs")
	if err != nil {
		return err
	}
	if n := strings.Count(list.Body, "<bdi>Example client</bdi>"); n != 2 {
		return fmt.Errorf("%d programs are in the list of what Ada has allowed, want 2", n)
	}
	fmt.Fprint(out, "\nBoth are in the list of what Ada has allowed. All is well.\n")
	return nil
}

// client runs client.js, whose person opens the address that it prints.
func (r *rig) client(ctx context.Context, out io.Writer, path string, person func(address string) error, calls ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Fprintf(out, "\n$ node client.js %s%s\n", r.url, path)
	cmd := exec.CommandContext(ctx, "node", append([]string{"client.js", r.url + path}, calls...)...)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = r.dir, &errs
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the client: %w", err)
	}
	asked := false
	for lines := bufio.NewScanner(said); err == nil && lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			asked = true
			err = person(address)
			continue
		}
		fmt.Fprintln(out, lines.Text())
	}
	if err != nil {
		cancel() // it would wait for its person
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("the client: %w\n%s", ended, errs.Bytes())
	}
	if err == nil && !asked {
		err = errors.New("the server let in a client that nobody has allowed")
	}
	return err
}
