// Zoom-app shows a Zoom App whose home page knows nothing of OAuth, without
// Zoom:
//
//	npm --prefix examples/zoom-app start
//
// One process runs a simulated Zoom, the app, a real Caddy with zoom_pkce in
// front of it, and a page that stands in for the Zoom client. Everything listens
// on 127.0.0.1 only, and what it writes goes to a temporary directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "zoom-app:", err)
		os.Exit(1)
	}
}

// run starts everything, and waits until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("zoom-app", flag.ContinueOnError)
	flags.SetOutput(stderr)
	port := flags.Int("port", 8090, "`number` of the port on 127.0.0.1, 0 for a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -h", flags.Arg(0))
	}
	sdk, err := findSDK()
	if err != nil {
		return err
	}
	d, err := startDemo(*port, sdk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	fmt.Fprintf(stdout, welcome, d.url+clientPath)
	<-ctx.Done()
	return nil
}

const welcome = `
  Open  %s

  It stands in for the Zoom client, with the app open in it. No real Zoom
  account is involved.

  Ctrl-C ends everything.

`
