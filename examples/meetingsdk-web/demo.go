package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// The app at the simulated Zoom, and the account that may use it.
const (
	clientID     = "meetingsdk-web"
	clientSecret = "known-to-everybody"
	accountID    = "AnalyticalEngine"
)

// demo is a simulated Zoom and a Caddy with the Caddyfile of this directory.
type demo struct {
	url     string // of Caddy
	zoom    *zoomtest.Server
	storage string // what Caddy stores
}

func startDemo(dir string, port int) (*demo, error) {
	port, err := choosePort(port)
	if err != nil {
		return nil, err
	}
	d := &demo{url: "http://127.0.0.1:" + strconv.Itoa(port)}
	if err := d.start(dir); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *demo) start(dir string) (err error) {
	d.zoom = zoomtest.NewServer()
	d.zoom.AddApp(zoomtest.App{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURIs: []string{d.url + "/zoom_pkce/callback"},
	})
	d.zoom.AddUser(zoomtest.User{
		ID: "aDa1815", AccountID: accountID,
		Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "Lovelace",
	})
	d.zoom.AddUser(zoomtest.User{
		ID: "gRace1906", AccountID: "Compilers",
		Email: "grace@example.org", Verified: 1, FirstName: "Grace", LastName: "Hopper",
	})
	if d.storage, err = os.MkdirTemp("", "zoom_pkce-meetingsdk-web-"); err != nil {
		return err
	}
	config, err := adapt(dir, d.storage, map[string]string{
		"SITE": d.url, "BIND": "127.0.0.1", "DIR": dir, "ZOOM_URL": d.zoom.URL, "ZOOM_ACCOUNT_ID": accountID,
		"ZOOM_CLIENT_ID": clientID, "ZOOM_CLIENT_SECRET": clientSecret,
	})
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	return nil
}

// globalOptions keep this Caddy to itself: no admin API, no certificates,
// nothing stored outside of a directory, and no logs but trouble.
const globalOptions = "{\n" +
	"	admin off\n" +
	"	persist_config off\n" +
	"	auto_https off\n" +
	"	storage file_system {$STORAGE}\n" +
	"	storage_clean_interval off\n" +
	"	servers {\n" +
	"		protocols h1\n" +
	"	}\n" +
	"	log {\n" +
	"		level WARN\n" +
	"	}\n" +
	"}\n"

// environment lists what the Caddyfile reads.
var environment = []string{
	"SITE", "BIND", "DIR", "ZOOM_URL", "ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "STORAGE",
}

// adapt reads the Caddyfile of dir as Caddy would with these environment
// variables.
func adapt(dir, storage string, env map[string]string) ([]byte, error) {
	caddyfile, err := os.ReadFile(filepath.Join(dir, "Caddyfile"))
	if err != nil {
		return nil, fmt.Errorf("reading the Caddyfile: %w", err)
	}
	env["STORAGE"] = storage
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(append([]byte(globalOptions), caddyfile...), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the Caddyfile: %w", err)
	}
	return config, nil
}

// stop ends what was started, the visitors' side first.
func (d *demo) stop() error {
	err := caddy.Stop()
	if d.zoom != nil {
		d.zoom.Close()
	}
	if d.storage != "" {
		err = errors.Join(err, os.RemoveAll(d.storage))
	}
	return err
}

// choosePort returns a port that Caddy can listen on. Zoom has to know it
// before Caddy does, so it is tried out here.
func choosePort(wish int) (int, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+strconv.Itoa(wish))
	if err != nil {
		return 0, fmt.Errorf("looking for a port: %w; choose another with -port", err)
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
