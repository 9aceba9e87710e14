// Native is a command line that signs its person in and gets what the native
// Meeting SDKs want, as an app on a phone or a desktop does:
//
//	go run ./examples/native
//
// There is no secret in it and nothing of Zoom: it is a client of the site that
// Caddy serves, by golang.org/x/oauth2. One process runs a simulated Zoom, a real
// Caddy with zoom_pkce in front of a small app, and the command line; with -site
// the command line alone, for a site of yours.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() { demo.Main("native", run) }

// run signs in once, shows what that gives, and signs out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := demo.NewFlags("native", "Signs you in on the command line, and prints what a native Meeting SDK app gets:\n"+
		"at a simulated Zoom, or with -site at a site of yours.")
	port := demo.PortFlag(flags, 0, "Caddy's")
	check := flags.Bool("check", false, "sign in without a browser")
	site := flags.String("site", "", "`origin` of a site of yours, in place of the simulated ones")
	client := flags.String("client", clientID, "`id` of the client in the programs block of that site")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	if *site != "" {
		if *check || *port != 0 {
			return errors.New("-site takes a site that runs, which -port and -check are not for")
		}
		return use(ctx, strings.TrimSuffix(*site, "/"), *client, showTo(stdout), stdout)
	}
	r, err := startRig(*port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if *check {
		return r.check(ctx, stdout)
	}
	return use(ctx, r.url, clientID, showTo(stdout), stdout)
}

// use is the program: it signs in, fetches what it is for, and signs out.
func use(ctx context.Context, site, client string, ask browser, out io.Writer) error {
	p, err := discover(ctx, site, client)
	if err != nil {
		return err
	}
	token, err := p.signIn(ctx, ask)
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	got, err := p.fetch(ctx, token)
	if err != nil {
		return err
	}
	got.show(out)
	// An app would keep the refresh token, and do this when its person signs out.
	return p.signOut(ctx, token)
}
