package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// check signs in the way a person does, by plain HTTP and through the consent
// page, and prints what the app received.
func (r *rig) check(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v, err := newVisitor(ctx)
	if err != nil {
		return err
	}
	// Any page of the site leads to Zoom's consent page ...
	page := r.url + "/some/page?x=1"
	consent, err := v.open(page)
	if err != nil {
		return fmt.Errorf("opening the site: %w", err)
	}
	if !strings.HasPrefix(consent.url, r.zoom.URL+"/oauth/authorize?") {
		return fmt.Errorf("opening the site led to %s, not to Zoom", consent.url)
	}
	// ... and whoever allows the app there is back on that page, signed in.
	back, err := v.allow(consent)
	if err != nil {
		return fmt.Errorf("coming back from Zoom: %w", err)
	}
	if back.url != page {
		return fmt.Errorf("coming back from Zoom led to %s, not to the page it began with", back.url)
	}
	if !strings.Contains(back.body, "X-Zoom-User-Id") {
		return errors.New("the page does not show what the app received")
	}
	again, err := v.open(r.url + "/headers.json")
	if err != nil {
		return fmt.Errorf("asking what the app received: %w", err)
	}
	var received http.Header
	if err := json.Unmarshal([]byte(again.body), &received); err != nil {
		return fmt.Errorf("reading what the app received: %w", err)
	}
	if err := r.verify(received); err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in at the simulated Zoom. With the next request the app received:\n\n")
	for _, h := range meanings {
		if value := received.Get(h.Name); value != "" {
			if h.Secret {
				value = abbreviate(value)
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

// visitor is a browser without a window: it keeps cookies and follows
// redirects.
type visitor struct {
	ctx    context.Context
	client *http.Client
}

// shown is the page on which a visitor ends up.
type shown struct {
	url, body string
}

func newVisitor(ctx context.Context) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &visitor{ctx: ctx, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}, nil
}

func (v *visitor) open(address string) (shown, error) {
	r, err := http.NewRequestWithContext(v.ctx, http.MethodGet, address, nil)
	if err != nil {
		return shown{}, err
	}
	return v.do(r)
}

// allow sends the form of the consent page, as the first person on it.
func (v *visitor) allow(consent shown) (shown, error) {
	user := attribute(consent.body, `name="user" value="`)
	request := attribute(consent.body, `name="request" value="`)
	if user == "" || request == "" {
		return shown{}, errors.New("this is not Zoom's consent page")
	}
	form := url.Values{"user": {user}, "request": {request}, "decision": {"allow"}}
	action := strings.Replace(consent.url[:strings.IndexByte(consent.url, '?')], "/authorize", "/consent", 1)
	r, err := http.NewRequestWithContext(v.ctx, http.MethodPost, action, strings.NewReader(form.Encode()))
	if err != nil {
		return shown{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// attribute returns the value that follows the text given, up to its quote.
func attribute(page, before string) string {
	_, rest, _ := strings.Cut(page, before)
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}

func (v *visitor) do(r *http.Request) (shown, error) {
	// What tells a page load from an API call, which would get a 401.
	r.Header.Set("Accept", "text/html")
	resp, err := v.client.Do(r)
	if err != nil {
		return shown{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return shown{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return shown{}, fmt.Errorf("%s answered %s", resp.Request.URL.Redacted(), resp.Status)
	}
	return shown{resp.Request.URL.String(), string(body)}, nil
}
