package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// troublePath is a path that the real Zoom does not have.
const troublePath = "/trouble"

//go:embed panel.html
var panelHTML string

var panelPage = template.Must(template.New("panel").Parse(panelHTML))

// panel is the page on which troubles are switched and acts are done.
type panel struct {
	rig *rig

	mu   sync.Mutex
	on   map[string]bool // troubles
	said string          // what came of the last form
}

// newPanel refuses forms of other sites: they could only annoy.
func newPanel(r *rig) http.Handler {
	p := &panel{rig: r, on: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+troublePath, p.show)
	mux.HandleFunc("POST "+troublePath, p.change)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (p *panel) show(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var body strings.Builder
	err := panelPage.Execute(&body, map[string]any{
		"Troubles": troubles,
		"On":       p.on,
		"Acts":     acts,
		"Users":    []zoomtest.User{demo.Ada, demo.Grace},
		"Webhook":  p.rig.app.WebhookURL,
		"Add":      p.addURL(),
		"Said":     p.said,
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, body.String())
}

// addURL is empty for a public client, whose sign-ins begin at the app alone.
func (p *panel) addURL() string {
	if p.rig.app.ClientSecret == "" {
		return ""
	}
	return p.rig.zoom.MarketplaceURL(clientID)
}

// change takes the page's forms: on and off with a trouble's name, or do with
// an act's name and user. A program reads what came of it in the answer.
func (p *panel) change(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	var said string
	var ok bool
	switch {
	case r.PostFormValue("do") != "":
		said, ok = p.act(r, r.PostFormValue("do"), r.PostFormValue("user"))
	case r.PostFormValue("on") != "":
		said, ok = p.turn(r.PostFormValue("on"), true)
	default:
		said, ok = p.turn(r.PostFormValue("off"), false)
	}
	if !ok {
		http.Error(w, said, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.said = said
	p.mu.Unlock()
	w.Header().Set("Location", troublePath)
	w.WriteHeader(http.StatusSeeOther)
	fmt.Fprintln(w, said)
}

func (p *panel) turn(name string, on bool) (said string, ok bool) {
	i := slices.IndexFunc(troubles, func(t trouble) bool { return t.Name == name })
	if i < 0 {
		return fmt.Sprintf("there is no trouble %q", name), false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on[name] = on
	p.rig.bring(p.on)
	if on {
		return troubles[i].Title + ". " + troubles[i].Effect, true
	}
	return troubles[i].Title + ": not any more.", true
}

func (p *panel) act(r *http.Request, name, userID string) (said string, ok bool) {
	i := slices.IndexFunc(acts, func(a act) bool { return a.Name == name })
	if i < 0 {
		return fmt.Sprintf("there is no event %q", name), false
	}
	resp, err := acts[i].do(r.Context(), p.rig.zoom, userID)
	switch {
	case err != nil:
		return name + ": " + err.Error(), true
	case resp != nil:
		defer resp.Body.Close()
		return name + ": the webhook answered " + resp.Status, true
	}
	return name + ": done", true
}
