// Quickstart shows zoom_pkce at work, without a Zoom account and without
// anything else to install:
//
//	go run ./examples/quickstart
//
// One process runs a simulated Zoom, a small app, and a real Caddy with
// zoom_pkce in front of the app. Everything listens on 127.0.0.1 only, and what
// it writes goes to a temporary directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("quickstart", run) }

// run starts everything, and waits until ctx is done or signs in by itself.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(stderr, "Usage: go run ./examples/quickstart [-port number] [-app host:port] [-check]\n\n"+
			"Runs a simulated Zoom, a small app, and Caddy with zoom_pkce in front of it.\n\n")
		flags.PrintDefaults()
	}
	port := flags.Int("port", 0, "`number` of Caddy's port on 127.0.0.1 (default 8080, or a free one if that is taken)")
	app := flags.String("app", "", "`host:port` of an app of yours, to be behind Caddy in place of the small one")
	check := flags.Bool("check", false, "sign in without a browser, print what the app received, and exit")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}

	if _, _, err := net.SplitHostPort(*app); *app != "" && (*check || err != nil) {
		return errors.New("-app takes the host:port of an app of yours, which -check knows nothing of")
	}
	r, err := startRig(*port, *app)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if *check {
		return r.check(ctx, stdout)
	}
	if *app != "" {
		fmt.Fprintf(stdout, welcome, r.url, "your app at "+*app+". Caddy's configuration:\n\n"+r.site)
	} else {
		fmt.Fprintf(stdout, welcome, r.url, "a small app, which shows what it received with your request.")
	}
	<-ctx.Done()
	return nil
}

const welcome = `
  Open  %s

  Caddy sends you to a simulated Zoom. No real Zoom account is involved. Choose
  who you are and click Allow: you come back to
  %s

  Ctrl-C ends everything.

`
