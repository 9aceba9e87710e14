package demo

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Visitor is a browser without a window: it keeps cookies and follows
// redirects.
type Visitor struct {
	ctx    context.Context
	client *http.Client
}

// Shown is the page on which a visitor ends up.
type Shown struct {
	URL, Body string
}

// NewVisitor returns a visitor who has no cookie yet.
func NewVisitor(ctx context.Context) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &Visitor{ctx, &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: follow}}, nil
}

// follow goes where a page leads: by GET, and so without the header of a form.
func follow(r *http.Request, via []*http.Request) error {
	r.Header.Del("Origin")
	if len(via) == 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// Open opens a page.
func (v *Visitor) Open(address string) (Shown, error) {
	r, err := http.NewRequestWithContext(v.ctx, http.MethodGet, address, nil)
	if err != nil {
		return Shown{}, err
	}
	return v.do(r)
}

// The parts of a form that a page of ours or of the simulated Zoom has.
var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	formInput  = regexp.MustCompile(`<input[^>]* name="([^"]*)" value="([^"]*)"`)
)

// Allow presses the button of a consent page, Zoom's or a site's, as the first
// person on it.
func (v *Visitor) Allow(consent Shown) (Shown, error) {
	action := formAction.FindStringSubmatch(consent.Body)
	if action == nil || !strings.Contains(consent.Body, `name="decision" value="allow"`) {
		return Shown{}, errors.New("this is not a consent page")
	}
	form := url.Values{"decision": {"allow"}}
	for _, input := range formInput.FindAllStringSubmatch(consent.Body, -1) {
		if name := html.UnescapeString(input[1]); !form.Has(name) {
			form.Set(name, html.UnescapeString(input[2]))
		}
	}
	return v.Submit(consent, html.UnescapeString(action[1]), form)
}

// AllowProgram opens the address that a program shows to its person, signs in at
// Zoom and allows the program, by the forms of both pages.
func (v *Visitor) AllowProgram(zoomURL, address string) (Shown, error) {
	zoom, err := v.Open(address)
	if err != nil {
		return Shown{}, err
	}
	if !strings.HasPrefix(zoom.URL, zoomURL+"/oauth/authorize?") {
		return Shown{}, fmt.Errorf("the program led to %s, not to Zoom", zoom.URL)
	}
	consent, err := v.Allow(zoom)
	if err != nil {
		return Shown{}, fmt.Errorf("coming back from Zoom: %w", err)
	}
	end, err := v.Allow(consent)
	if err != nil {
		return Shown{}, fmt.Errorf("allowing the program: %w", err)
	}
	return end, nil
}

// Submit sends a form of a page to the form's action.
func (v *Visitor) Submit(from Shown, action string, form url.Values) (Shown, error) {
	page, err := url.Parse(from.URL)
	if err != nil {
		return Shown{}, err
	}
	target, err := page.Parse(action)
	if err != nil {
		return Shown{}, err
	}
	r, err := http.NewRequestWithContext(v.ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return Shown{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", page.Scheme+"://"+page.Host)
	return v.do(r)
}

func (v *Visitor) do(r *http.Request) (Shown, error) {
	// What tells a page load from an API call, which would get a 401.
	r.Header.Set("Accept", "text/html")
	resp, err := v.client.Do(r)
	if err != nil {
		return Shown{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Shown{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return Shown{}, fmt.Errorf("%s answered %s", resp.Request.URL.Redacted(), resp.Status)
	}
	return Shown{resp.Request.URL.String(), string(body)}, nil
}
