package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// zoomProbe is what Zoom lets be known of an app without a person signing in.
type zoomProbe struct {
	credentials finding
	clock       finding
	page        map[string]pageAnswer // by redirect URI
}

// pageAnswer is what the authorization page says to a redirect URI.
type pageAnswer string

const (
	pageSilent           pageAnswer = "" // no refusal is known; Zoom may ask for the sign-in first
	pageRefusesRedirect  pageAnswer = "redirect"
	pageRefusesScopes    pageAnswer = "scopes"
	pageRefusesSomething pageAnswer = "other"
)

// probeZoom asks Zoom about an app, as anybody may: it redeems a code that was
// never given out, and opens the authorization page for each redirect URI.
func probeZoom(ctx context.Context, sites []*Site) zoomProbe {
	s := sites[0]
	watch := &clockWatch{base: zoomapi.NewHTTPClient().Transport}
	hc := &http.Client{Transport: watch, CheckRedirect: zoomapi.NewHTTPClient().CheckRedirect}

	probe := zoomProbe{page: make(map[string]pageAnswer)}
	cfg := s.Zoom
	cfg.HTTPClient = hc
	client, err := zoomapi.NewClient(cfg)
	if err == nil {
		_, err = client.Exchange(ctx, s.RedirectURIs[0], randomText(), randomText())
	}
	probe.credentials = credentialFinding(s, err)
	probe.clock = watch.finding(s)
	// Zoom's page refuses everything of an app that it does not know, which says
	// nothing about redirect URIs and scopes.
	if watch.answered() && probe.credentials.Status != verdictFail {
		for _, uri := range redirectURIs(sites) {
			probe.page[uri] = askPage(ctx, hc, client.AuthCodeURL(uri, randomText(), randomText()), s.Zoom.Timeout)
		}
	}
	return probe
}

// credentialFinding reads what Zoom answered to the made-up code. Only who is
// accepted as the app gets to hear that its code is worth nothing.
func credentialFinding(s *Site, err error) finding {
	f := finding{ClientID: s.Zoom.ClientID, Check: "credentials", Status: verdictFail}
	var trackingID string
	if zoom, ok := errors.AsType[*zoomapi.Error](err); ok && zoom.TrackingID != "" {
		trackingID = "; Zoom's tracking id is " + zoom.TrackingID
	}
	switch kind := zoomapi.KindOf(err); kind {
	case zoomapi.KindInvalidGrant, zoomapi.KindRedirectMismatch:
		f.Status, f.Message = verdictOK, "Zoom accepts client_id and "+s.credential()
		if s.public() {
			f.Message = "Zoom accepts client_id as a public client"
		}
	case zoomapi.KindInvalidClient:
		f.Message = "Zoom does not accept client_id and " + s.credential() + trackingID
		f.Advice = "copy both from the same page of the app at " + s.marketplace() + ": " +
			"development and production have different ones; look whether the app is active"
		if s.Zoom.ClientKey != "" {
			f.Advice = "compare client_id with the one at " + s.marketplace() + ", and the public key there, under App Credentials, " +
				"with the one that belongs to client_key; look whether the app is active"
		}
		if s.public() {
			f.Message = "Zoom does not accept client_id as a public client" + trackingID
			f.Advice = "use the app's public client id, which is not its client id, or set client_secret"
		}
	case zoomapi.KindRateLimited:
		f.Status, f.Message, f.Advice = verdictSkipped, "Zoom asks for a pause", "try again in a minute"
	case zoomapi.KindUnavailable:
		f.Message = fmt.Sprintf("Zoom cannot be reached at %s: %v", s.Zoom.OAuthURL, err)
		f.Advice = "check oauth_url, DNS, firewall and HTTPS_PROXY on this machine"
	default:
		f.Message = fmt.Sprintf("%s does not answer as Zoom does: %v", s.Zoom.OAuthURL, err)
		f.Advice = "check oauth_url, and whether a proxy answers in Zoom's place"
	}
	return f
}

// maxClockSkew is how wrong the clock may be. Meeting SDK signatures are dated
// back by 30 seconds for such differences (github.com/zoom/meetingsdk-auth-endpoint-sample);
// deliveries of webhooks and app contexts are held to minutes.
const maxClockSkew = 30 * time.Second

// clockWatch compares the Date of answers with this machine's clock.
type clockWatch struct {
	base http.RoundTripper

	mu    sync.Mutex
	heard bool
	dated bool
	ahead time.Duration // of this machine's clock
}

// RoundTrip implements http.RoundTripper.
func (c *clockWatch) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	received := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = true
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.dated = true
		// The header has whole seconds, cut off.
		c.ahead = sent.Add(received.Sub(sent) / 2).Sub(date.Add(500 * time.Millisecond))
	}
	return resp, nil
}

func (c *clockWatch) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

func (c *clockWatch) finding(s *Site) finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := finding{ClientID: s.Zoom.ClientID, Check: "clock", Status: verdictOK, Message: "agrees with Zoom's"}
	direction := "ahead of"
	if c.ahead < 0 {
		direction = "behind"
	}
	switch off := c.ahead.Abs().Round(time.Second); {
	case !c.heard:
		f.Status, f.Message = verdictSkipped, "not checked: Zoom did not answer"
	case !c.dated:
		f.Status, f.Message = verdictSkipped, "not checked: the answer has no date"
	case off > maxClockSkew:
		f.Status = verdictFail
		f.Message = fmt.Sprintf("is %s %s Zoom's", off, direction)
		f.Advice = "turn on time synchronisation (NTP): signatures and webhook deliveries are refused by their time"
	case off > 2*time.Second:
		f.Message = fmt.Sprintf("is %s %s Zoom's, which does no harm", off, direction)
	}
	return f
}

// maxPage bounds what is read of the authorization page.
const maxPage = 1 << 20

// askPage opens the authorization page and reads a refusal, if Zoom shows one
// to somebody who is not signed in. Both forms were seen in public: JSON with
// errorCode 4700 (mattermost/mattermost-plugin-zoom issue 253) and a page with
// "(4,700)". Zoom's own words are not repeated.
func askPage(ctx context.Context, hc *http.Client, url string, timeout time.Duration) pageAnswer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return pageSilent
	}
	r.Header.Set("Accept", "application/json")
	resp, err := hc.Do(r)
	if err != nil {
		return pageSilent
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return pageSilent
	}
	var refusal struct {
		ErrorCode    int    `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	}
	var text string
	if json.Unmarshal(body, &refusal) == nil && refusal.ErrorCode != 0 {
		text = refusal.ErrorMessage
	} else if before, _, found := strings.Cut(string(body), "(4,700)"); found {
		text = before[max(0, len(before)-1000):]
	} else {
		return pageSilent
	}
	switch text = strings.ToLower(text); {
	case strings.Contains(text, "invalid redirect"):
		return pageRefusesRedirect
	case strings.Contains(text, "invalid scope"):
		return pageRefusesScopes
	}
	return pageRefusesSomething
}

// redirectURIs are all URIs that Zoom has to know.
func redirectURIs(sites []*Site) (uris []string) {
	for _, s := range sites {
		uris = append(uris, s.RedirectURIs...)
	}
	return conf.Unique(uris)
}

func redirectURIFinding(sites []*Site, probe zoomProbe) finding {
	s := sites[0]
	f := finding{
		ClientID: s.Zoom.ClientID, Check: "redirect_uris", Status: verdictSkipped,
		Message: "not checked, please compare at " + s.marketplace() + ": the app must have exactly these",
		Values:  redirectURIs(sites),
		Advice:  "each belongs there as redirect URL and in the OAuth allow list, letter by letter; from outside they cannot be seen",
	}
	if probe.credentials.Status != verdictFail {
		f.Advice += ": open " + s.LoginURL + ", and Zoom shows error 4,700 if one is missing"
	}
	var refused []string
	for _, uri := range f.Values {
		switch probe.page[uri] {
		case pageRefusesRedirect:
			refused = append(refused, uri)
		case pageRefusesSomething:
			f.Status, f.Message = verdictWarn, "Zoom's authorization page shows an error for one of these"
		}
	}
	if len(refused) > 0 {
		f.Status, f.Values = verdictFail, refused
		f.Message = "Zoom does not know"
		f.Advice = "enter them at " + s.marketplace() + " as redirect URL and in the OAuth allow list, letter by letter"
	}
	return f
}

// Interface guards
var _ http.RoundTripper = (*clockWatch)(nil)
