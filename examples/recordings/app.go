package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The bounds of an app that keeps everything in memory.
const (
	maxKept  = 100
	maxFile  = 16 << 20
	maxTries = 4
)

// app is the web app behind Caddy. It holds no credentials of Zoom's: what
// entitles it to tokens is the secret that it shares with Caddy.
type app struct {
	backend string   // .../zoom_pkce/backend of the site
	secret  string   // that of backend in the Caddyfile
	zoom    *url.URL // where recordings are, at this host or below it
	log     *log.Logger
	queue   chan recording

	mu   sync.Mutex
	kept []recording
}

// recording is one file of a recorded meeting.
type recording struct {
	ID, Host, Topic string
	url             string
	content         []byte
}

func newApp(backend, secret string, zoom *url.URL, logger *log.Logger) *app {
	return &app{backend: backend, secret: secret, zoom: zoom, log: logger, queue: make(chan recording, maxKept)}
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /zoom_pkce/webhook", a.hear)
	mux.HandleFunc("GET /{$}", a.list)
	mux.HandleFunc("GET /recordings/{id}", a.send)
	return mux
}

// event is what the app reads of an event of Zoom's.
type event struct {
	Event   string
	Payload struct {
		Object struct {
			HostID string `json:"host_id"`
			Topic  string
			Files  []struct {
				ID          string
				DownloadURL string `json:"download_url"`
			} `json:"recording_files"`
		}
	}
}

// hear takes an event. Nobody but Zoom reaches this path: Caddy has checked the
// signature. Zoom waits 3 seconds for an answer, so the downloads come later.
func (a *app) hear(w http.ResponseWriter, r *http.Request) {
	var e event
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&e); err != nil {
		http.Error(w, "this is not an event", http.StatusBadRequest)
		return
	}
	if e.Event == "recording.completed" {
		o := e.Payload.Object
		for _, file := range o.Files {
			select {
			case a.queue <- recording{ID: file.ID, Host: o.HostID, Topic: o.Topic, url: file.DownloadURL}:
			default:
				// After a 5xx Zoom sends the event again, some minutes later.
				http.Error(w, "too many recordings at once", http.StatusServiceUnavailable)
				return
			}
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// work downloads what is in the queue, one file after the other, until ctx ends.
func (a *app) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case rec := <-a.queue:
			a.take(ctx, rec)
		}
	}
}

// take downloads a file and keeps it. What may work later is tried again.
func (a *app) take(ctx context.Context, rec recording) {
	if _, ok := a.find(rec.Host, rec.ID); ok {
		return // Zoom can send an event more than once.
	}
	wait := time.Second
	for try := 1; ; try++ {
		err := a.fetch(ctx, &rec)
		if err == nil {
			a.keep(rec)
			return
		}
		if !errors.Is(err, errLater) || try == maxTries {
			a.log.Printf("no recording of %s: %v", rec.Host, err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait *= 4
		}
	}
}

func (a *app) fetch(ctx context.Context, rec *recording) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// The user's token is for Zoom alone.
	u, err := url.Parse(rec.url)
	if err != nil || u.Scheme != a.zoom.Scheme || u.Host != a.zoom.Host && !strings.HasSuffix(u.Host, "."+a.zoom.Host) {
		return errors.New("the event names a place that is not Zoom's")
	}
	answer, err := get(ctx, a.backend+"/token?user_id="+url.QueryEscape(rec.Host), a.secret)
	if err != nil {
		return fmt.Errorf("asking for a token: %w", err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &token); err != nil {
		return fmt.Errorf("asking for a token: %w", err)
	}
	if rec.content, err = get(ctx, rec.url, token.AccessToken); err != nil {
		return fmt.Errorf("downloading: %w", err)
	}
	return nil
}

// errLater is a failure that may pass.
var errLater = errors.New("try again later")

// get opens an address with a bearer token. Where Zoom redirects to another
// site, net/http leaves the token out.
func get(ctx context.Context, address, bearer string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLater, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return nil, fmt.Errorf("%w: got %s", errLater, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("got %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errLater, err)
	case len(body) > maxFile:
		return nil, errors.New("it is too large")
	}
	return body, nil
}

// keep adds a file, in place of the oldest if there are enough.
func (a *app) keep(rec recording) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) == maxKept {
		a.kept = a.kept[1:]
	}
	a.kept = append(a.kept, rec)
}

// of returns a host's files.
func (a *app) of(host string) (own []recording) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rec := range a.kept {
		if rec.Host == host {
			own = append(own, rec)
		}
	}
	return own
}

func (a *app) find(host, id string) (recording, bool) {
	for _, rec := range a.of(host) {
		if rec.ID == id {
			return rec, true
		}
	}
	return recording{}, false
}

var listPage = template.Must(template.New("").Parse(`<!doctype html>
<meta charset="utf-8">
<title>Recordings</title>
<h1>Your recordings</h1>
<ul>
{{- range .}}
<li><a href="/recordings/{{.ID}}">{{.Topic}}</a></li>
{{- else}}
<li>There are none yet. Reload this page in a while.</li>
{{- end}}
</ul>
<form method="post" action="/zoom_pkce/logout"><button>Sign out</button></form>
`))

// list shows visitors the recordings of their own meetings.
func (a *app) list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = listPage.Execute(w, a.of(r.Header.Get("X-Zoom-User-Id"))) // the client may have left
}

func (a *app) send(w http.ResponseWriter, r *http.Request) {
	rec, ok := a.find(r.Header.Get("X-Zoom-User-Id"), r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(rec.content) // the client may have left
}
