package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
)

var (
	//go:embed home.html
	homeHTML string
	//go:embed home.js
	homeJS []byte
	//go:embed home.css
	homeCSS []byte

	homePage = template.Must(template.New("home").Parse(homeHTML))
)

// app is the Zoom App: a home page, its script, and Zoom's SDK. Nothing in it is about
// signing in.
func app(files sdk) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", showHome)
	mux.HandleFunc("GET /home.js", serveFile("text/javascript", homeJS))
	mux.HandleFunc("GET /home.css", serveFile("text/css", homeCSS))
	mux.HandleFunc("GET /appssdk.js", serveFile("text/javascript", files.module))
	return mux
}

func showHome(w http.ResponseWriter, r *http.Request) {
	name, err := url.PathUnescape(r.Header.Get("X-Zoom-User-Name"))
	if err != nil {
		name = r.Header.Get("X-Zoom-User-Id")
	}
	var page bytes.Buffer
	err = homePage.Execute(&page, map[string]string{
		"Name":    name,
		"UserID":  r.Header.Get("X-Zoom-User-Id"),
		"Email":   r.Header.Get("X-Zoom-User-Email"),
		"Type":    r.Header.Get("X-App-Context-Type"),
		"Meeting": r.Header.Get("X-App-Context-Meeting"),
	})
	if err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	serveFile("text/html", page.Bytes())(w, r)
}

func serveFile(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType+"; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(content) // the client may have left
	}
}
