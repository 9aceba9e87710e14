package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	clientID     = "BenchAppAbCdEfGhIjKlMn"
	clientSecret = "nothing-but-a-benchmark"
)

// rig is what all measurements need: a simulated Zoom in this process, and the app
// behind every Caddy.
type rig struct {
	dir  string
	zoom *zoomtest.Server
	app  *part

	dirs  int     // how many were made
	parts []*part // what runs
}

// newRig starts both. What has started is in the rig even after an error.
func newRig(ctx context.Context, dir string) (*rig, error) {
	r := &rig{dir: dir, zoom: zoomtest.NewServer()}
	// A benchmark has many sign-ins of few people, all of which shall live.
	r.zoom.KeepOlderSignIns = true
	addr, err := demo.FreeAddress(0)
	if err == nil {
		r.app, err = r.start(ctx, "app", addr, addr)
	}
	return r, err
}

// user is the id of the nth person at Zoom, who is there from then on.
func (r *rig) user(n int) string {
	id := fmt.Sprintf("KdYKjnimT4KPd8FFg%05d", n)
	r.zoom.AddUser(zoomtest.User{
		ID: id, AccountID: "EabCDEFghiLHMA", Email: "ada" + strconv.Itoa(n) + "@example.com", Verified: 1, DisplayName: "Ada Lovelace",
	})
	return id
}

// site is a Caddy with one site before the app.
type site struct {
	*part
	addr string
}

// plain starts a Caddy that knows nothing of Zoom, with directives before reverse_proxy.
func (r *rig) plain(ctx context.Context, env []string, directives ...string) (site, error) {
	addr, err := demo.FreeAddress(0)
	if err != nil {
		return site{}, err
	}
	return r.caddy(ctx, env, addr, filepath.Join(r.dir, "plain"), directives)
}

// signedIn starts a Caddy with zoom_pkce, with options of it, that keeps what it stores
// in dir.
func (r *rig) signedIn(ctx context.Context, env []string, dir string, options ...string) (site, error) {
	addr, err := demo.FreeAddress(0)
	if err != nil {
		return site{}, err
	}
	redirectURI := "http://" + addr + "/zoom_pkce/callback"
	r.zoom.AddApp(zoomtest.App{ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{redirectURI}})
	directive := fmt.Sprintf("zoom_pkce {\nclient_id %s\nclient_secret %s\nredirect_uri %s\noauth_url %s\n%s\n}",
		clientID, clientSecret, redirectURI, r.zoom.URL, strings.Join(options, "\n"))
	return r.caddy(ctx, env, addr, dir, []string{directive})
}

func (r *rig) caddy(ctx context.Context, env []string, addr, dir string, directives []string) (site, error) {
	directives = append(slices.Clip(directives), "reverse_proxy "+r.app.addr)
	p, err := r.start(ctx, "caddy", caddyfile(dir, addr, directives...), addr, env...)
	return site{p, addr}, err
}

func (r *rig) start(ctx context.Context, role, input, addr string, env ...string) (*part, error) {
	p, err := startPart(ctx, role, input, addr, env...)
	if err == nil {
		r.parts = append(r.parts, p)
	}
	return p, err
}

// newDir makes an empty directory.
func (r *rig) newDir() (string, error) {
	r.dirs++
	dir := filepath.Join(r.dir, strconv.Itoa(r.dirs))
	return dir, os.Mkdir(dir, 0o700)
}

func (r *rig) close() {
	for _, p := range slices.Backward(r.parts) {
		p.stop()
	}
	r.zoom.Close()
}

var errNoHeader = errors.New("the app did not receive what it was promised")
