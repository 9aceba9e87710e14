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

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("meetingsdk-web", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("meetingsdk-web", flag.ContinueOnError)
	port := flags.Int("port", 8080, "`number` of Caddy's port on 127.0.0.1; 0 chooses a free one")
	dir := flags.String("dir", "examples/meetingsdk-web", "`directory` of this example")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	if err := install(ctx, *dir, stdout); err != nil {
		return err
	}
	r, err := startRig(*dir, *port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	fmt.Fprintf(stdout, welcome, r.url)
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
