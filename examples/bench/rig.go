package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	clientID     = "BenchAppAbCdEfGhIjKlMn"
	clientSecret = "nothing-but-a-benchmark"
)

// rig is all that takes part.
type rig struct {
	zoom          *zoomtest.Server
	parts         []*part
	signed, plain target
}

// newRig starts everything and signs a visitor in. What has started is in the
// rig even after an error. identity leaves all out that does not say who the visitor is,
// and the plain Caddy as it is.
func newRig(ctx context.Context, dir string, identity bool) (*rig, error) {
	r := &rig{zoom: zoomtest.NewServer()}
	var addrs [3]string
	for i := range addrs {
		var err error
		if addrs[i], err = demo.FreeAddress(0); err != nil {
			return r, err
		}
	}
	app, signed, plain := addrs[0], addrs[1], addrs[2]
	r.zoom.AddApp(zoomtest.App{ClientID: clientID, ClientSecret: clientSecret, RedirectURIs: []string{"http://" + signed + "/zoom_pkce/callback"}})
	r.zoom.AddUser(zoomtest.User{ID: "KdYKjnimT4KPd8FFgQt9FQ", AccountID: "EabCDEFghiLHMA", Email: "ada@example.com", Verified: 1, DisplayName: "Ada Lovelace"})

	if err := r.start(ctx, "app", app, app); err != nil {
		return r, err
	}
	proxy := "reverse_proxy " + app
	options, last := "", "X-Zoom-Zak" // the header that is promised last
	if identity {
		options, last = "zak off\nheaders {\naccess_token off\n}\n", "X-Zoom-User-Name"
	}
	directive := fmt.Sprintf("zoom_pkce {\nclient_id %s\nclient_secret %s\nredirect_uri http://%s/zoom_pkce/callback\noauth_url %s\n%s}",
		clientID, clientSecret, signed, r.zoom.URL, options)
	if err := r.start(ctx, "caddy", caddyfile(dir, signed, directive, proxy), signed); err != nil {
		return r, err
	}
	cookie, received, err := r.signIn(ctx, "http://"+signed)
	if err == nil && received.Get(last) == "" {
		err = errors.New("the app did not receive what it was promised")
	}
	if err != nil {
		return r, fmt.Errorf("signing in: %w", err)
	}
	lines := []string{proxy}
	for name, values := range received {
		if strings.HasPrefix(name, "X-Zoom-") && !identity {
			lines = append(lines, fmt.Sprintf("request_header %s `%s`", name, values[0]))
		}
	}
	if err := r.start(ctx, "caddy", caddyfile(dir, plain, lines...), plain); err != nil {
		return r, err
	}
	// The cookie is part of what zoom_pkce costs.
	r.signed, r.plain = newTarget(signed, "Cookie: "+cookie+"\r\n"), newTarget(plain, "")
	return r, nil
}

func (r *rig) start(ctx context.Context, role, input, addr string) error {
	p, err := startPart(ctx, role, input, addr)
	if err == nil {
		r.parts = append(r.parts, p)
	}
	return err
}

func (r *rig) close() {
	for _, v := range slices.Backward(r.parts) {
		v.stop()
	}
	r.zoom.Close()
}

// signIn goes through the simulated Zoom and returns the session cookie, and
// the headers that the app then receives.
func (r *rig) signIn(ctx context.Context, site string) (cookie string, received http.Header, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", nil, err
	}
	client := &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	open := func(url string) (*http.Response, []byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, nil, err
		}
		request.Header.Set("Accept", "text/html")
		resp, err := client.Do(request)
		if err != nil {
			return nil, nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return resp, body, err
	}
	resp, _, err := open(site + "/headers")
	if err != nil {
		return "", nil, err
	}
	callback, err := r.zoom.SignIn(ctx, resp.Header.Get("Location"), "KdYKjnimT4KPd8FFgQt9FQ")
	if err != nil {
		return "", nil, err
	}
	if resp, _, err = open(callback); err != nil {
		return "", nil, err
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge > 3600 || c.MaxAge == 0 && c.Value != "" {
			cookie = c.Name + "=" + c.Value
		}
	}
	_, body, err := open(site + "/headers")
	if err != nil {
		return "", nil, err
	}
	if err := json.Unmarshal(body, &received); err != nil || cookie == "" {
		return "", nil, errors.Join(errors.New("nobody was signed in"), err)
	}
	return cookie, received, nil
}
