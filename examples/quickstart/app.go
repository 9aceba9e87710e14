package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

//go:embed app.html
var appHTML string

var appPage = template.Must(template.New("app").Parse(appHTML))

// newApp is the web app behind Caddy. It knows nothing of OAuth: it reads request
// headers. The page shows siteConfig as Caddy's configuration.
func newApp(siteConfig string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { showPage(w, r, siteConfig) })
	mux.HandleFunc("GET /headers.json", showJSON)
	return mux
}

// header is one request header as the page shows it.
type header struct {
	Name, Value, Short, Meaning string
	Secret                      bool
}

// meanings explains the headers that zoom_pkce sets.
var meanings = []header{
	{Name: "X-Zoom-User-Id", Meaning: "who it is: the id to key on, it never changes"},
	{Name: "X-Zoom-Account-Id", Meaning: "the Zoom account this user belongs to"},
	{Name: "X-Zoom-User-Email", Meaning: "only sent if Zoom says it is verified"},
	{Name: "X-Zoom-User-Name", Meaning: "the display name, percent-encoded where it is not ASCII"},
	{Name: "X-Zoom-Access-Token", Meaning: "for calling Zoom's API as this user; always valid, refreshed for you", Secret: true},
	{Name: "X-Zoom-Zak", Meaning: "lets a Meeting SDK client start or join meetings as this user; a minute old at most", Secret: true},
	{Name: "X-Zoom-Zak-Error", Meaning: "why there is no ZAK"},
}

// showPage shows what came with the request.
func showPage(w http.ResponseWriter, r *http.Request, siteConfig string) {
	var page struct {
		Name   string
		URI    string
		Config string
		Zoom   []header
		Others []header
	}
	page.Name = r.Header.Get("X-Zoom-User-Name")
	if name, err := url.PathUnescape(page.Name); err == nil {
		page.Name = name
	}
	page.URI, page.Config = r.RequestURI, siteConfig
	for _, h := range meanings {
		if h.Value = r.Header.Get(h.Name); h.Value != "" {
			h.Short = demo.Abbreviate(h.Value)
			page.Zoom = append(page.Zoom, h)
		}
	}
	for name, values := range r.Header {
		if !strings.HasPrefix(name, "X-Zoom-") {
			page.Others = append(page.Others, header{Name: name, Value: strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(page.Others, func(a, b header) int { return strings.Compare(a.Name, b.Name) })

	var body strings.Builder
	if err := appPage.Execute(&body, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // there are tokens on it
	fmt.Fprint(w, body.String())
}

// showJSON is the same for programs.
func showJSON(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(r.Header) // the client may have left
}
