// Zoom is a simulated Zoom alone, for a Caddyfile and an app of one's own:
//
//	go run ./examples/zoom
//
// It prints the lines for the Caddyfile, and has a page on which Zoom's troubles
// are switched on and off and its events are sent. It listens on 127.0.0.1 only
// and writes nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("zoom", run) }

// run starts the simulated Zoom, and waits until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("zoom", "Runs a simulated Zoom for a Caddyfile of your own, and prints what to write there.")
	port := demo.PortFlag(flags, 8099, "the simulated Zoom's")
	redirectURI := flags.String("redirect-uri", "http://127.0.0.1:8080/zoom_pkce/callback",
		"the `url` at which your site takes sign-ins, as redirect_uri in the Caddyfile")
	webhook := flags.String("webhook", "", "the `url` that gets Zoom's events (default /zoom_pkce/webhook at the redirect URI's host)")
	public := flags.Bool("public", false, "a public client, which has no secret")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}

	r, err := startRig(*port, *redirectURI, *webhook, *public)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	fmt.Fprintf(stdout, welcome, r.zoom.URL, r.zoom.URL+troublePath, r.caddyfile())
	<-ctx.Done()
	return nil
}

const welcome = `
  The simulated Zoom is at  %s
  Troubles and events are at  %s

  A Caddyfile for it, with your app at port 3000:

%s
  No real Zoom account is involved. Ctrl-C ends it.

`
