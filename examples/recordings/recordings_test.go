package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

func TestCheck(t *testing.T) {
	demotest.Check(t, run, nil, "got 400.\n", "got 204.\n", `downloaded "The engine"`, "found it")
}

// lines is a writer whose lines are waited for.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func start(t *testing.T) (*rig, lines) {
	t.Helper()
	said := make(lines, 10)
	r, err := startRig(0, said)
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	return r, said
}

func (r *rig) complete(t *testing.T, host string) {
	t.Helper()
	resp, err := r.zoom.CompleteRecording(t.Context(), clientID, zoomtest.Recording{HostID: host, Topic: "T", Content: []byte("film")})
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("got %v, %v", resp, err)
	}
}

func TestWhatIsNotDownloaded(t *testing.T) {
	r, said := start(t)
	ada, err := demo.NewVisitor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.signIn(ada); err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a token went to somebody who is not Zoom")
	}))
	defer elsewhere.Close()
	for want, happen := range map[string]func(){
		"404": func() { r.complete(t, demo.Grace.ID) }, // who has never been here
		"not Zoom's": func() {
			if _, err := r.zoom.Webhook(t.Context(), clientID, "recording.completed", map[string]any{
				"object": map[string]any{
					"host_id":         demo.Ada.ID,
					"recording_files": []map[string]string{{"id": "1", "download_url": elsewhere.URL}},
				},
			}); err != nil {
				t.Error(err)
			}
		},
	} {
		happen()
		select {
		case line := <-said:
			if !strings.Contains(line, want) {
				t.Errorf("the app says %q, not %q", line, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the app does not say %q", want)
		}
	}
	if n := r.zoom.Count(zoomtest.CallDownload); n != 0 {
		t.Errorf("%d downloads", n)
	}
}

// Nobody sends the event again after the app has answered it.
func TestDownloadsAreTriedAgain(t *testing.T) {
	r, _ := start(t)
	ada, err := demo.NewVisitor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.signIn(ada); err != nil {
		t.Fatal(err)
	}
	r.zoom.Fail(zoomtest.CallDownload, 1, zoomtest.Status(http.StatusServiceUnavailable, ""))
	r.complete(t, demo.Ada.ID)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	kept, err := r.await(ctx)
	if err != nil || len(kept) != 1 || string(kept[0].content) != "film" {
		t.Fatalf("got %v, %v", kept, err)
	}
	file := "/recordings/" + kept[0].ID
	if page, err := ada.Open(r.url + file); err != nil || page.Body != "film" {
		t.Errorf("Ada gets %q, %v", page.Body, err)
	}
	asGrace := httptest.NewRequestWithContext(t.Context(), http.MethodGet, file, nil)
	asGrace.Header.Set("X-Zoom-User-Id", demo.Grace.ID)
	refused := httptest.NewRecorder()
	if r.app.handler().ServeHTTP(refused, asGrace); refused.Code != http.StatusNotFound {
		t.Errorf("Grace gets %d", refused.Code)
	}
}

// What does not fit comes again, for Zoom repeats what got a 5xx.
func TestFullQueue(t *testing.T) {
	a := newApp("", "", nil, nil) // at which nobody works
	for i := range maxKept + 1 {
		w := httptest.NewRecorder()
		a.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/zoom_pkce/webhook",
			strings.NewReader(`{"event":"recording.completed","payload":{"object":{"host_id":"h","recording_files":[{"id":"1"}]}}}`)))
		if want := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusNoContent}[i == maxKept]; w.Code != want {
			t.Fatalf("event %d got %d", i, w.Code)
		}
	}
}

func TestCaddyfileOfREADME(t *testing.T) {
	t.Setenv("ZOOM_CLIENT_ID", clientID)
	t.Setenv("ZOOM_CLIENT_SECRET", clientSecret)
	t.Setenv("ZOOM_WEBHOOK_TOKEN", webhookSecret)
	t.Setenv("BACKEND_SECRET", backendSecret)
	demotest.CheckCaddyfiles(t)
}
