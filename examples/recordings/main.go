// Recordings shows an app that works while nobody is there: Zoom says that a
// recording is ready, and the app asks Caddy for the host's token and downloads
// it.
//
//	go run ./examples/recordings
//
// One process runs a simulated Zoom, the app, and a real Caddy with zoom_pkce in
// front of the app. Everything listens on 127.0.0.1 only, and what it writes
// goes to a temporary directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func main() { demo.Main("recordings", run) }

// run starts everything, and waits until ctx is done or tries it by itself.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("recordings",
		"Runs a simulated Zoom, an app that downloads recordings, and Caddy with zoom_pkce in front of it.")
	port := demo.PortFlag(flags, 0, "Caddy's")
	check := flags.Bool("check", false, "try it without a browser, print what happened, and exit")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	r, err := startRig(*port, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if *check {
		return r.check(ctx, stdout)
	}
	fmt.Fprintf(stdout, welcome, r.url)
	return r.meet(ctx)
}

// meet is a recorded meeting of Ada's every 20 seconds, until ctx is done.
func (r *rig) meet(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-ticker.C:
			topic := "The meeting that ended at " + at.Format(time.TimeOnly)
			if _, err := r.zoom.CompleteRecording(ctx, clientID, zoomtest.Recording{
				HostID: demo.Ada.ID, Topic: topic, Content: []byte("This would be a film.\n"),
			}); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

const welcome = `
  Open  %s

  Caddy sends you to a simulated Zoom. No real Zoom account is involved. Sign in
  as Ada, who has a recorded meeting every 20 seconds. Sign out, wait a minute
  and come back: the app has downloaded the recordings meanwhile. Until Ada has
  signed in for the first time, it says here that there is no token of hers.

  Ctrl-C ends everything.

`
