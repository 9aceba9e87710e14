package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// check has a recording become ready after its host has left, and prints what
// came of it.
func (r *rig) check(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ada, err := demo.NewVisitor(ctx)
	if err != nil {
		return err
	}
	list, err := r.signIn(ada)
	if err != nil {
		return err
	}
	if _, err := ada.Submit(list, "/zoom_pkce/logout", nil); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	fmt.Fprintln(out, "Ada has signed in and out. Nobody is at the site.")

	status, err := r.forge(ctx)
	if err != nil {
		return fmt.Errorf("forging an event: %w", err)
	}
	fmt.Fprintf(out, "Somebody who is not Zoom said that a recording is ready, and got %d.\n", status)

	film := []byte("Ada explains the engine.\n")
	resp, err := r.zoom.CompleteRecording(ctx, clientID, zoomtest.Recording{HostID: demo.Ada.ID, Topic: "The engine", Content: film})
	if err != nil {
		return fmt.Errorf("sending the event: %w", err)
	}
	fmt.Fprintf(out, "Zoom said that one of Ada's is ready, and got %d.\n", resp.StatusCode)
	kept, err := r.await(ctx)
	if err != nil {
		return err
	}
	// One after the other: the forged event's download would have been the first.
	if n := r.zoom.Count(zoomtest.CallDownload); n != 1 || len(kept) != 1 || !bytes.Equal(kept[0].content, film) {
		return fmt.Errorf("the app has %d recordings after %d downloads, or not the one that Zoom has", len(kept), n)
	}
	fmt.Fprintf(out, "The app has downloaded %q with a token of Ada's, all %d bytes, and nothing else.\n", kept[0].Topic, len(film))

	if list, err = r.signIn(ada); err != nil {
		return err
	}
	if !strings.Contains(list.Body, "The engine") {
		return errors.New("the app does not show Ada the recording")
	}
	fmt.Fprintln(out, "Ada has come back and found it. All is well.")
	return nil
}

// signIn leads to the list, by way of Zoom's consent page.
func (r *rig) signIn(v *demo.Visitor) (list demo.Shown, err error) {
	consent, err := v.Open(r.url + "/")
	if err != nil {
		return list, fmt.Errorf("opening the site: %w", err)
	}
	if list, err = v.Allow(consent); err != nil {
		return list, fmt.Errorf("coming back from Zoom: %w", err)
	}
	return list, nil
}

// forge delivers an event with a signature that is not Zoom's, and returns the
// status of the refusal.
func (r *rig) forge(ctx context.Context) (int, error) {
	event, err := r.zoom.NewWebhookRequest(ctx, clientID, "recording.completed", map[string]any{
		"object": map[string]any{
			"host_id":         demo.Ada.ID,
			"recording_files": []map[string]string{{"id": "forged", "download_url": r.zoom.URL + "/rec/download/forged"}},
		},
	})
	if err != nil {
		return 0, err
	}
	event.Header.Set("X-Zm-Signature", "v0="+strings.Repeat("0", 64))
	resp, err := http.DefaultClient.Do(event)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 || resp.StatusCode >= 500 {
		return 0, fmt.Errorf("it was answered %s", resp.Status)
	}
	return resp.StatusCode, nil
}

// await waits until the app has a recording of Ada's.
func (r *rig) await(ctx context.Context) ([]recording, error) {
	for {
		if kept := r.app.of(demo.Ada.ID); len(kept) > 0 {
			return kept, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the app has no recording: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
