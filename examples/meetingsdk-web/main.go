// Meetingsdk-web is a web app on Zoom's Meeting SDK that joins and starts
// meetings as its visitor, behind Caddy with zoom_pkce:
//
//	go run ./examples/meetingsdk-web
//
// The app is the static files in app/ and the npm package @zoom/meetingsdk; its
// only server is Caddy with the Caddyfile next to this file. Zoom's sign-in and
// REST API are simulated, so no Zoom account is needed. Its meetings are not:
// the SDK's join ends at Zoom, which does not know the simulated app.
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
		fmt.Fprintln(os.Stderr, "meetingsdk-web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("meetingsdk-web", flag.ContinueOnError)
	flags.SetOutput(stderr)
	port := flags.Int("port", 8080, "`number` of Caddy's port on 127.0.0.1; 0 chooses a free one")
	dir := flags.String("dir", "examples/meetingsdk-web", "`directory` of this example")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -h", flags.Arg(0))
	}
	if err := install(ctx, *dir, stdout); err != nil {
		return err
	}
	d, err := startDemo(*dir, *port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	fmt.Fprintf(stdout, welcome, d.url)
	<-ctx.Done()
	return nil
}

const welcome = `
  Open  %s

  Caddy sends you to a simulated Zoom. Choose who you are and click Allow: you
  come back to a page that joins and starts meetings as you. What it asks for on
  the way is real, and so is the SDK. Only the last step fails here: Zoom itself
  does not know the simulated app. The README says how to use a real one.

  Ctrl-C ends everything.

`
