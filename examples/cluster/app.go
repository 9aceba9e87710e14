package main

import (
	"html/template"
	"net"
	"net/http"
	"time"
)

// app is the web app behind both Caddys. It reads request headers.
type app struct {
	addr   string
	server *http.Server
}

func startApp() (*app, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &app{
		addr:   listener.Addr().String(),
		server: &http.Server{Handler: http.HandlerFunc(showPage), ReadHeaderTimeout: 10 * time.Second},
	}
	go func() { _ = a.server.Serve(listener) }() // ends with Close
	return a, nil
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Cluster</title>
<h1>Hello, {{.Get "X-Zoom-User-Name"}}</h1>
<p>This request came through the {{.Get "X-Caddy"}}.
<p><a href="/">Again</a>
<form method="post" action="/zoom_pkce/logout"><button>Sign out</button></form>
`))

func showPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Through", r.Header.Get("X-Caddy"))
	w.Header().Set("X-User", r.Header.Get("X-Zoom-User-Id"))
	_ = page.Execute(w, r.Header)
}
