package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// check signs in the way a person does, by plain HTTP and through the consent
// page, and prints what the app received.
func (r *rig) check(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v, err := demo.NewVisitor(ctx)
	if err != nil {
		return err
	}
	// Any page of the site leads to Zoom's consent page ...
	page := r.url + "/some/page?x=1"
	consent, err := v.Open(page)
	if err != nil {
		return fmt.Errorf("opening the site: %w", err)
	}
	if !strings.HasPrefix(consent.URL, r.zoom.URL+"/oauth/authorize?") {
		return fmt.Errorf("opening the site led to %s, not to Zoom", consent.URL)
	}
	// ... and whoever allows the app there is back on that page, signed in.
	back, err := v.Allow(consent)
	if err != nil {
		return fmt.Errorf("coming back from Zoom: %w", err)
	}
	if back.URL != page {
		return fmt.Errorf("coming back from Zoom led to %s, not to the page it began with", back.URL)
	}
	if !strings.Contains(back.Body, "X-Zoom-User-Id") {
		return errors.New("the page does not show what the app received")
	}
	again, err := v.Open(r.url + "/headers.json")
	if err != nil {
		return fmt.Errorf("asking what the app received: %w", err)
	}
	var received http.Header
	if err := json.Unmarshal([]byte(again.Body), &received); err != nil {
		return fmt.Errorf("reading what the app received: %w", err)
	}
	if err := r.verify(received); err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in at the simulated Zoom. With the next request the app received:\n\n")
	for _, h := range meanings {
		if value := received.Get(h.Name); value != "" {
			if h.Secret {
				value = demo.Abbreviate(value)
			}
			fmt.Fprintf(out, "  %-20s %s\n", h.Name+":", value)
		}
	}
	fmt.Fprint(out, "\nZoom accepts both tokens. All is well.\n")
	return nil
}

// verify asks Zoom whether the tokens are this user's and work.
func (r *rig) verify(received http.Header) error {
	user := received.Get("X-Zoom-User-Id")
	if user == "" {
		return errors.New("the app received no X-Zoom-User-Id")
	}
	if _, owner, ok := r.zoom.ValidateAccessToken(received.Get("X-Zoom-Access-Token")); !ok || owner != user {
		return fmt.Errorf("the access token that the app received does not work for %s", user)
	}
	if owner, _, ok := r.zoom.ValidateZAK(received.Get("X-Zoom-Zak")); !ok || owner != user {
		return fmt.Errorf("the ZAK that the app received does not work for %s (error: %q)", user, received.Get("X-Zoom-Zak-Error"))
	}
	return nil
}
