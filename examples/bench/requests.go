package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/oauth2"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// contender is one of those that are compared: a Caddy and the request that is sent to it.
type contender struct {
	name  string
	env   []string
	start starter

	site    site
	target  target
	idle    time.Duration // what a process costs that only starts
	samples []sample
}

// starter starts a Caddy and tells with which header lines a request comes to it.
type starter func(ctx context.Context, r *rig, env []string) (s site, headers string, err error)

var moreMemory = []string{"GOGC=200"}

// contenders are what is compared, in the order in which they are started.
func contenders() []*contender {
	all, sameBytes := visitorAndTwin("X-Zoom-Zak", program)
	identity, sameNames := visitorAndTwin("X-Zoom-User-Name", "zak off\nheaders {\naccess_token off\n}")
	return []*contender{
		{name: "reverse_proxy", start: startPlain},
		{name: "all headers", start: all},
		{name: "the same bytes", start: sameBytes},
		{name: "identity alone", start: identity},
		{name: "the same identity", start: sameNames},
		{name: "all headers, bearer", start: startBearer},
		{name: "reverse_proxy, GOGC=200", env: moreMemory, start: startPlain},
		{name: "all headers, GOGC=200", env: moreMemory, start: all},
	}
}

// visitorAndTwin are a Caddy with zoom_pkce and somebody signed in, who gets headers up to
// last, and one that sets the same headers by request_header and knows nobody. The twin
// needs the other to have started.
func visitorAndTwin(last string, options ...string) (visitor, twin starter) {
	var same []string
	visitor = func(ctx context.Context, r *rig, env []string) (site, string, error) {
		s, cookie, received, err := r.visited(ctx, env, last, options...)
		same = requestHeaders(received)
		return s, "Cookie: " + cookie + "\r\n", err
	}
	twin = func(ctx context.Context, r *rig, env []string) (site, string, error) {
		s, err := r.plain(ctx, env, same...)
		return s, "", err
	}
	return visitor, twin
}

// ratios are the pairs worth a comparison.
var ratios = [][2]string{
	{"all headers", "the same bytes"},
	{"identity alone", "reverse_proxy"},
	{"identity alone", "the same identity"},
	{"all headers, bearer", "all headers"},
	{"reverse_proxy, GOGC=200", "reverse_proxy"},
	{"all headers, GOGC=200", "all headers"},
}

func startPlain(ctx context.Context, r *rig, env []string) (site, string, error) {
	s, err := r.plain(ctx, env)
	return s, "", err
}

const (
	clientOfBench = "bench"
	program       = "programs {\nclient " + clientOfBench + " http://127.0.0.1/callback\n}"
)

// startBearer has the request made by a program.
func startBearer(ctx context.Context, r *rig, env []string) (site, string, error) {
	s, _, _, err := r.visited(ctx, env, "X-Zoom-Zak", program)
	if err != nil {
		return s, "", err
	}
	token, err := r.programToken(ctx, s)
	return s, "Authorization: Bearer " + token + "\r\n", err
}

// visited starts a Caddy with zoom_pkce and signs a visitor in, who gets headers up to last.
func (r *rig) visited(ctx context.Context, env []string, last string, options ...string) (s site, cookie string, received http.Header, err error) {
	dir, err := r.newDir()
	if err != nil {
		return s, "", nil, err
	}
	if s, err = r.signedIn(ctx, env, dir, options...); err != nil {
		return s, "", nil, err
	}
	v, err := newVisitor(s.addr)
	if err != nil {
		return s, "", nil, err
	}
	defer v.close()
	cookie, body, err := v.signIn(ctx, r.zoom, r.user(0), "/headers")
	if err == nil {
		err = json.Unmarshal(body, &received)
	}
	if err == nil && received.Get(last) == "" {
		err = errNoHeader
	}
	if err != nil {
		return s, "", nil, fmt.Errorf("signing in: %w", err)
	}
	return s, cookie, received, nil
}

// requestHeaders are directives that set what the directive does.
func requestHeaders(received http.Header) (lines []string) {
	for name, values := range received {
		if strings.HasPrefix(name, "X-Zoom-") {
			lines = append(lines, fmt.Sprintf("request_header %s `%s`", name, values[0]))
		}
	}
	return lines
}

// measureRequests compares requests of visitors who are signed in.
func measureRequests(ctx context.Context, r *rig, o options, w io.Writer) error {
	all := contenders()
	for _, c := range all {
		if err := c.prepare(ctx, r); err != nil {
			return fmt.Errorf("starting %s: %w", c.name, err)
		}
	}
	for run := range o.runs {
		order := slices.Clone(all)
		if run%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			s, err := c.target.load(ctx, o)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.samples = append(c.samples, s)
		}
	}
	loop := "each sends when its last request was answered"
	if o.rate > 0 {
		loop = fmt.Sprintf("%.0f requests a second, whatever becomes of them; times from when each was due", o.rate)
	}
	fmt.Fprintf(w, "Requests: %d connections, %s; medians of %d runs of %v, in turns\n\n", o.connections, loop, o.runs, o.duration)
	costs := make(map[string]time.Duration)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\trequests/s\tp50\tp99\tprocessor time\t")
	for _, c := range all {
		costs[c.name] = (c.site.stop() - c.idle) / time.Duration(max(1, c.answered()))
		fmt.Fprintf(table, "%s\t%.0f\t%v\t%v\t%v\t\n", c.name, medianOf(c.samples, func(s sample) float64 { return s.perSecond }),
			c.quantile(.5), c.quantile(.99), costs[c.name].Round(100*time.Nanosecond))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printRatios(w, all, costs)
}

// printRatios compares requests a second, run by run, and processor time.
func printRatios(w io.Writer, all []*contender, costs map[string]time.Duration) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tagainst\trequests/s\tfrom\tto\tprocessor time\t")
	for _, pair := range ratios {
		one, other := named(all, pair[0]), named(all, pair[1])
		var runs []float64
		for i := range one.samples {
			runs = append(runs, one.samples[i].perSecond/other.samples[i].perSecond)
		}
		fmt.Fprintf(table, "%s\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t\n", one.name, other.name, median(runs), slices.Min(runs), slices.Max(runs),
			float64(costs[one.name])/float64(costs[other.name]))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// prepare starts the Caddy twice: once to see what its start costs.
func (c *contender) prepare(ctx context.Context, r *rig) error {
	first, _, err := c.start(ctx, r, c.env)
	if err != nil {
		return err
	}
	c.idle = first.stop()
	s, headers, err := c.start(ctx, r, c.env)
	if err != nil {
		return err
	}
	c.site, c.target = s, newTarget(s.addr, headers)
	return nil
}

func (c *contender) answered() (n int) {
	for _, s := range c.samples {
		n += len(s.latencies)
	}
	return n
}

func (c *contender) quantile(q float64) time.Duration {
	return time.Duration(medianOf(c.samples, func(s sample) float64 { return float64(s.quantile(q)) })).Round(time.Microsecond)
}

func named(all []*contender, name string) *contender {
	return all[slices.IndexFunc(all, func(c *contender) bool { return c.name == name })]
}

// load sends requests as the options say.
func (t target) load(ctx context.Context, o options) (sample, error) {
	if o.rate > 0 {
		return t.openLoop(ctx, o.connections, o.rate, o.duration)
	}
	return t.closedLoop(ctx, o.connections, o.duration)
}

// programToken is the token of a program that somebody allows.
func (r *rig) programToken(ctx context.Context, s site) (string, error) {
	config := oauth2.Config{
		ClientID: clientOfBench, RedirectURL: "http://" + r.app.addr + "/callback",
		Endpoint: oauth2.Endpoint{
			AuthURL: "http://" + s.addr + "/zoom_pkce/oauth/authorize", TokenURL: "http://" + s.addr + "/zoom_pkce/oauth/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
	v, err := demo.NewVisitor(ctx)
	if err != nil {
		return "", err
	}
	verifier := oauth2.GenerateVerifier()
	end, err := v.AllowProgram(r.zoom.URL, config.AuthCodeURL("", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return "", err
	}
	back, err := url.Parse(end.URL)
	if err != nil {
		return "", err
	}
	token, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", fmt.Errorf("redeeming a program's code: %w", err)
	}
	return token.AccessToken, nil
}
