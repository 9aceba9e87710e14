package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// check does what README.md tells a person to do.
func (c *cluster) check(ctx context.Context, out io.Writer) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := c.signIn(ctx, client); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	if err := c.visit(ctx, client, out, "both Caddys run", 2); err != nil {
		return err
	}
	if err := c.nodes[0].kill(); err != nil {
		return err
	}
	return c.visit(ctx, client, out, "the first Caddy was killed", 1)
}

// get opens a page as a browser does.
func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

func (c *cluster) signIn(ctx context.Context, client *http.Client) error {
	resp, err := get(ctx, client, c.url)
	if err != nil {
		return err
	}
	callback, err := c.zoom.SignIn(ctx, resp.Header.Get("Location"), demo.Ada.ID)
	if err != nil {
		return err
	}
	resp, err = get(ctx, client, callback)
	if err == nil && resp.StatusCode != http.StatusSeeOther {
		err = fmt.Errorf("the callback was answered with status %d", resp.StatusCode)
	}
	return err
}

// visit loads the page again and again, and counts which Caddys it came through.
func (c *cluster) visit(ctx context.Context, client *http.Client, out io.Writer, when string, want int) error {
	through := make(map[string]int)
	for range 20 {
		resp, err := get(ctx, client, c.url)
		if err != nil {
			return fmt.Errorf("while %s: %w", when, err)
		}
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-User") != demo.Ada.ID {
			return fmt.Errorf("while %s: status %d, user %q", when, resp.StatusCode, resp.Header.Get("X-User"))
		}
		through[resp.Header.Get("X-Through")]++
	}
	fmt.Fprintf(out, "%s: 20 page loads, all signed in, through %v\n", when, through)
	if len(through) != want {
		return fmt.Errorf("while %s: requests went through %v", when, through)
	}
	return nil
}
