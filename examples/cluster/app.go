package main

import (
	"html/template"
	"net/http"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Cluster</title>
<h1>Hello, {{.Get "X-Zoom-User-Name"}}</h1>
<p>This request came through the {{.Get "X-Caddy"}}.
<p><a href="/">Again</a>
<form method="post" action="/zoom_pkce/logout"><button>Sign out</button></form>
`))

// showPage is the web app behind both Caddys. It reads request headers.
func showPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Through", r.Header.Get("X-Caddy"))
	w.Header().Set("X-User", r.Header.Get("X-Zoom-User-Id"))
	_ = page.Execute(w, r.Header)
}
