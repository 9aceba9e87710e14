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
	return &Visitor{ctx: ctx, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}, nil
}

// Open opens a page.
func (v *Visitor) Open(address string) (Shown, error) {
	r, err := http.NewRequestWithContext(v.ctx, http.MethodGet, address, nil)
	if err != nil {
		return Shown{}, err
	}
	return v.do(r)
}

// Allow sends the form of the consent page, as the first person on it.
func (v *Visitor) Allow(consent Shown) (Shown, error) {
	user := attribute(consent.Body, `name="user" value="`)
	request := attribute(consent.Body, `name="request" value="`)
	if user == "" || request == "" {
		return Shown{}, errors.New("this is not Zoom's consent page")
	}
	form := url.Values{"user": {user}, "request": {request}, "decision": {"allow"}}
	action := strings.Replace(consent.URL[:strings.IndexByte(consent.URL, '?')], "/authorize", "/consent", 1)
	r, err := http.NewRequestWithContext(v.ctx, http.MethodPost, action, strings.NewReader(form.Encode()))
	if err != nil {
		return Shown{}, err
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
