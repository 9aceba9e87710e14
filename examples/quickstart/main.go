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
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("quickstart", run) }

// run starts everything, and waits until ctx is done or signs in by itself.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("quickstart", "Runs a simulated Zoom, a small app, and Caddy with zoom_pkce in front of it.")
	port := demo.PortFlag(flags, usualPort, "Caddy's")
	app := flags.String("app", "", "`address` of an app of yours, 3000 or localhost:3000, to be behind Caddy in place of the small one")
	check := flags.Bool("check", false, "sign in without a browser, print what the app received, and exit")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}

	appAddr := ""
	if *app != "" {
		if appAddr, err = ownApp(*app); err != nil {
			return err
		}
		if *check {
			return errors.New("-app takes an app of yours, which -check knows nothing of")
		}
	}
	r, err := startRig(*port, appAddr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if *check {
		return r.check(ctx, stdout)
	}
	behind := "a small app, which shows what it received with your request."
	if appAddr != "" {
		behind = "your app at " + appAddr + ". Caddy's configuration:\n\n" + r.site
		if !answers(ctx, appAddr) {
			behind += "\n  Nothing answers at " + appAddr + " yet. Until you start your app, its pages are an empty 502.\n"
		}
	}
	fmt.Fprintf(stdout, welcome, r.url, behind)
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
