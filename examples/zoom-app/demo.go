package main

import (
	"errors"
	"net"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// demo is everything that runs.
type demo struct {
	url       string // of the client, through which all go
	zoom      *zoomtest.Server
	app       *server
	client    *server
	caddyPort string
	dir       string // what Caddy stores
}

// startDemo starts Zoom, the app, Caddy and the client, which listens on port.
func startDemo(port int, files sdk) (*demo, error) {
	d := new(demo)
	if err := d.start(port, files); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *demo) start(port int, files sdk) (err error) {
	if d.client, err = listen("the client", port); err != nil {
		return err
	}
	d.url = "http://" + d.client.addr
	if d.app, err = listen("the app", 0); err != nil {
		return err
	}
	if d.caddyPort, err = freePort(); err != nil {
		return err
	}
	caddyURL := "http://127.0.0.1:" + d.caddyPort
	d.zoom = startZoom(d.url, caddyURL+"/zoom_pkce/webhook")
	if d.dir, err = os.MkdirTemp("", "zoom_pkce-zoom-app-"); err != nil {
		return err
	}
	d.app.start(app(files))
	if err := startCaddy(d.caddyfile()); err != nil {
		return err
	}
	client, err := newClient(d.zoom, d.url, caddyURL, files)
	if err != nil {
		return err
	}
	d.client.start(client)
	return nil
}

// stop ends what was started, the visitors' side first.
func (d *demo) stop() error {
	err := errors.Join(d.client.stop(), stopCaddy(), d.app.stop())
	if d.zoom != nil {
		d.zoom.Close()
	}
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}

// startZoom starts a simulated Zoom with the app and two people.
func startZoom(origin, webhook string) *zoomtest.Server {
	zoom := zoomtest.NewServer()
	zoom.AddApp(zoomtest.App{
		ClientID:      clientID,
		ClientSecret:  clientSecret,
		RedirectURIs:  []string{origin + "/zoom_pkce/callback", origin + "/"},
		WebhookURL:    webhook,
		WebhookSecret: webhookSecret,
	})
	zoom.AddUser(zoomtest.User{
		ID: "aDa1815", AccountID: "AnalyticalEngine",
		Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "Lovelace",
	})
	zoom.AddUser(zoomtest.User{
		ID: "gRace1906", AccountID: "Compilers",
		Email: "grace@example.org", Verified: 1, FirstName: "Grace", LastName: "Hopper",
	})
	return zoom
}

// freePort returns a port for Caddy, which opens its own listener.
func freePort() (string, error) {
	s, err := listen("Caddy", 0)
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(s.addr)
	return port, s.stop()
}
