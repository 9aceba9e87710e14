// Zoom-app shows a Zoom App whose home page knows nothing of OAuth, without
// Zoom:
//
//	go run ./examples/zoom-app
//
// One process runs a simulated Zoom, the app, a real Caddy with zoom_pkce in
// front of it, and a page that stands in for the Zoom client. Everything listens
// on 127.0.0.1 only, and what it writes goes to a temporary directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("zoom-app", run) }

// run starts everything, and waits until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("zoom-app", "Runs a Zoom App behind Caddy with zoom_pkce, and in one page a simulated Zoom\n"+
		"and a stand-in for the Zoom client that shows the app.")
	port := demo.PortFlag(flags, 8090, "the client's")
	dir := flags.String("dir", "examples/zoom-app", "`directory` of this example")
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
	sdk, err := readSDK(*dir)
	if err != nil {
		return err
	}
	r, err := startRig(*port, sdk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	fmt.Fprintf(stdout, welcome, r.url+clientPath)
	<-ctx.Done()
	return nil
}

const welcome = `
  Open  %s

  It stands in for the Zoom client, with the app open in it. No real Zoom
  account is involved.

  Ctrl-C ends everything.

`
