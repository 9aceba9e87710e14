// Mcp puts an MCP server that knows nothing of Zoom or OAuth behind Zoom's sign-in:
//
//	go run ./examples/mcp
//
// One process runs a simulated Zoom, a real Caddy with zoom_pkce, and two servers on
// Node.js: one of npm's, and one that asks Zoom in the name of whoever asks it. The
// servers listen at sockets that only Caddy's user can reach, and Caddy at 127.0.0.1.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("mcp", run) }

// run starts everything, and waits until ctx is done or signs a client in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("mcp", "Runs two MCP servers, Caddy with zoom_pkce in front of them, and a simulated Zoom\n"+
		"for the sign-in.")
	port := demo.PortFlag(flags, 8080, "Caddy's")
	dir := flags.String("dir", "examples/mcp", "`directory` of this example")
	check := flags.Bool("check", false, "sign a client in without a browser, print what happened, and exit")
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
	r, err := startRig(ctx, *dir, *port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if *check {
		return r.check(ctx, stdout)
	}
	fmt.Fprintf(stdout, welcome, r.url, *dir)
	<-ctx.Done()
	return nil
}

// everything is the server of npm's.
const everything = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"

// install fetches it and the SDK with npm, unless it is there.
func install(ctx context.Context, dir string, out io.Writer) error {
	return demo.InstallNPM(ctx, "the MCP server and SDK", dir, everything, out)
}

const welcome = `
  Add one of these addresses to your MCP client, as a remote server:

  %[1]s/mcp    a server of npm's, with a tool for everything that MCP can do
  %[1]s/zoom   a server that asks Zoom in your name

  It opens your browser. Sign in at a simulated Zoom, and allow the client; no
  real Zoom account is involved. The README has the line for your client. Without
  one:  node %[2]s/client.js %[1]s/zoom who_am_i zoom_profile

  Ctrl-C ends everything. The next run knows nothing of this one: remove the
  address in your client and add it again.

`
