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
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("meetingsdk-web", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("meetingsdk-web", "Runs a Meeting SDK app that joins and starts meetings as its visitor, Caddy with\n"+
		"zoom_pkce in front of it, and a simulated Zoom for the sign-in.")
	port := demo.PortFlag(flags, 8080, "Caddy's")
	dir := flags.String("dir", "examples/meetingsdk-web", "`directory` of this example")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	// Nobody waits for npm to hear that the port is in use.
	if _, err := demo.FreeAddress(*port); err != nil {
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

// sdkFile is there once the Meeting SDK is installed.
const sdkFile = "node_modules/@zoom/meetingsdk/dist/zoom-meeting-embedded-ES5.min.js"

// install fetches the Meeting SDK with npm, unless it is there. Zoom's terms of
// use come with it, so it is not part of this repository.
func install(ctx context.Context, dir string, out io.Writer) error {
	return demo.InstallNPM(ctx, "the Meeting SDK", dir, sdkFile, out)
}

const welcome = `
  Open  %s

  Caddy sends you to a simulated Zoom. Choose who you are and click Allow: you
  come back to a page that joins and starts meetings as you. What it asks for on
  the way is real, and so is the SDK. Only the last step fails here: Zoom itself
  does not know the simulated app. The README says how to use a real one.

  Ctrl-C ends everything.

`
