package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestRedirectURIs(t *testing.T) {
	tests := map[string]struct {
		uris []string
		want string // part of the error; "" is none
	}{
		"https":                        {[]string{"https://app.example.com/cb"}, ""},
		"https with a port":            {[]string{"https://app.example.com:8443/cb", "https://app.example.com/cb"}, ""},
		"capitals in the path":         {[]string{"https://app.example.com/Zoom/CallBack"}, ""},
		"an IPv4 address":              {[]string{"https://192.0.2.1/cb"}, ""},
		"an IPv6 address":              {[]string{"https://[2001:db8::1]:8443/cb"}, ""},
		"http to 127.0.0.1":            {[]string{"http://127.0.0.1:8080/cb"}, ""},
		"http to all of 127.0.0.0/8":   {[]string{"http://127.1.2.3/cb"}, ""},
		"http to ::1":                  {[]string{"http://[::1]:8080/cb"}, ""},
		"http to localhost":            {[]string{"http://LocalHost:8080/cb"}, ""},
		"http to a name of localhost":  {[]string{"http://app.localhost:8080/cb"}, ""},
		"two ports of one host":        {[]string{"http://localhost:1/cb", "http://localhost:2/cb"}, ""},
		"an escaped brace in the path": {[]string{`https://app.example.com/\{cb\}`}, "path of its own"},

		"none":                              {nil, "redirect_uri: is required"},
		"an empty one":                      {[]string{""}, "redirect_uri: is empty"},
		"an unset placeholder":              {[]string{"{env.ZOOM_UNSET}"}, "placeholder {env.ZOOM_UNSET} is empty: the variable is not set"},
		"http elsewhere":                    {[]string{"http://app.example.com/cb"}, "must be https"},
		"http to a name that begins alike":  {[]string{"http://localhost.evil.example/cb"}, "must be https"},
		"http to a name that ends alike":    {[]string{"http://notlocalhost/cb"}, "must be https"},
		"http to a private address":         {[]string{"http://10.0.0.1/cb"}, "must be https"},
		"http to an octal address":          {[]string{"http://0177.0.0.1/cb"}, "must be https"},
		"a path only":                       {[]string{"/zoom_pkce/callback"}, "is not an absolute URL"},
		"a host only":                       {[]string{"app.example.com/cb"}, "is not an absolute URL"},
		"an address of this machine":        {[]string{"127.0.0.1:9001/cb"}, "is not an absolute URL: is http:// missing?"},
		"localhost with a port":             {[]string{"localhost:9001/cb"}, "is http:// missing?"},
		"an IPv6 address of this machine":   {[]string{"[::1]:9001/cb"}, "is http:// missing?"},
		"a host with a port only":           {[]string{"app.example.com:8443/cb"}, "is https:// missing?"},
		"a scheme without slashes":          {[]string{"https:/cb"}, "that begins with https://"},
		"no host":                           {[]string{"https:///cb"}, "is not an absolute URL"},
		"an opaque URL":                     {[]string{"https:app.example.com/cb"}, "is not an absolute URL"},
		"a scheme of an app":                {[]string{"myapp://callback/x"}, "is not an absolute URL"},
		"user information":                  {[]string{"https://a@app.example.com/cb"}, "must not contain a user name"},
		"an international name":             {[]string{"https://bücher.example/cb"}, "has no valid host"},
		"a wildcard":                        {[]string{"https://*.example.com/cb"}, "has no valid host"},
		"a zone":                            {[]string{"https://[fe80::1%25eth0]/cb"}, "has no valid host"},
		"port 0":                            {[]string{"https://app.example.com:0/cb"}, "has no valid port"},
		"an empty port":                     {[]string{"https://app.example.com:/cb"}, "has no valid port"},
		"a query":                           {[]string{"https://app.example.com/cb?a=b"}, "must not have a query"},
		"an empty query":                    {[]string{"https://app.example.com/cb?"}, "must not have a query"},
		"a fragment":                        {[]string{"https://app.example.com/cb#a"}, "must not have a query"},
		"an empty fragment":                 {[]string{"https://app.example.com/cb#"}, "must not have a query"},
		"no path":                           {[]string{"https://app.example.com"}, "path of its own"},
		"the whole site":                    {[]string{"https://app.example.com/"}, "path of its own"},
		"a trailing slash":                  {[]string{"https://app.example.com/cb/"}, "path of its own"},
		"a double slash":                    {[]string{"https://app.example.com//cb"}, "path of its own"},
		"dots":                              {[]string{"https://app.example.com/a/../cb"}, "path of its own"},
		"an escape":                         {[]string{"https://app.example.com/c%62"}, "path of its own"},
		"two paths":                         {[]string{"https://a.example/cb", "https://b.example/CB"}, `"https://b.example/CB": must have the same path as "https://a.example/cb"`},
		"one host twice":                    {[]string{"https://a.example/cb", "https://A.example:443/cb"}, "has the same host as"},
		"https and http":                    {[]string{"https://a.example/cb", "http://localhost/cb"}, "cookie names and attributes depend on the scheme"},
		"the place of an endpoint":          {[]string{"https://a.example/zoom_pkce/login"}, `its path is that of the endpoint "login"`},
		"the place of a frame's endpoint":   {[]string{"https://a.example/zoom_pkce/frame/redeem"}, `its path is that of the endpoint "frame/redeem"`},
		"the place of an endpoint below it": {[]string{"https://a.example/zoom_pkce/app/authorize"}, "app/authorize"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := minimalHandler()
			h.RedirectURI = test.uris
			s, err := h.resolve(caddy.NewReplacer())
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				for i, uri := range test.uris {
					if s.redirectURIs[i].uri != uri {
						t.Errorf("%q became %q: Zoom would not recognise it", uri, s.redirectURIs[i].uri)
					}
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one that contains %q and nothing else", err, test.want)
			}
		})
	}
}

// Whoever has made several mistakes is told of all at once.
func TestRedirectURIsTellOfEachMistake(t *testing.T) {
	h := minimalHandler()
	h.RedirectURI = []string{"/cb", "https://app.example.com/", "https://app.example.com/cb?a=b"}
	_, err := h.resolve(caddy.NewReplacer())
	for _, want := range []string{"is not an absolute URL", "path of its own", "must not have a query"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that contains %q", err, want)
		}
	}
}

func TestRedirectURIFor(t *testing.T) {
	h := minimalHandler()
	h.RedirectURI = []string{
		"https://App.example.com/cb", "https://app.example.com:8443/cb", "https://[2001:db8::1]/cb",
		"https://one.example.com:8443/cb", "https://two.example.com:8443/cb", "https://two.example.com:9443/cb", "https://[2001:db8::2]:8443/cb",
	}
	s := mustResolve(t, h)
	tests := map[string]string{
		"app.example.com":      h.RedirectURI[0],
		"APP.example.com:443":  h.RedirectURI[0],
		"app.example.com:8443": h.RedirectURI[1],
		"[2001:DB8::1]":        h.RedirectURI[2],
		"app.example.com:80":   "",

		// A front proxy may drop the port.
		"One.example.com":      h.RedirectURI[3],
		"[2001:db8::2]":        h.RedirectURI[6],
		"two.example.com":      "",
		"one.example.com:443":  "",
		"one.example.com:9443": "",
		"2001:db8::2":          "",
		"app.example.com.":     "",
		"evil.example":         "",
		"":                     "",
	}
	for host, want := range tests {
		got := ""
		if uri, ok := s.redirectURIFor(host); ok {
			got = uri.uri
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	if s.redirectURIs[0].origin != "https://app.example.com" || s.redirectURIs[1].origin != "https://app.example.com:8443" {
		t.Errorf("origins are %q and %q", s.redirectURIs[0].origin, s.redirectURIs[1].origin)
	}
}

// Handlers of one app share its users, and so have to agree on what is theirs.
func TestHandlersOfAnAppAgree(t *testing.T) {
	secret := func(c string) string { return `, "cookie": {"secret": ["` + strings.Repeat(c, 32) + `"]}` }
	key, err := json.Marshal(testClientKey)
	if err != nil {
		t.Fatal(err)
	}
	withKey := func(id string) string {
		return `, "client_secret": "", "client_key": ` + string(key) + `, "client_key_id": "` + id + `"`
	}
	for _, test := range []struct{ one, other, option string }{
		{``, `, "client_secret": "another"`, "client_secret"},
		{withKey("a"), withKey("b"), "client_key"},
		{`, "client_secret": ""`, withKey("a"), "client_key"},
		{``, `, "api_url": "https://api.example.com"`, "api_url"},
		{``, `, "session": {"store": {"module": "redis", "urls": ["redis://localhost"]}}`, "session store"},
		{``, `, "session": {"idle_timeout": "1h"}`, "session idle_timeout"},
		{``, `, "session": {"max_lifetime": "100h"}`, "session max_lifetime"},
		{``, `, "session": {"sync_interval": "1s"}`, "session sync_interval"},
		{``, `, "session": {"max_sessions": 7}`, "session max_sessions"},
		{``, `, "session": {"cache_size": 7}`, "session cache_size"},
		{`, "programs": {"registration": true}`, `, "programs": {"registration": true, "idle_timeout": "2h"}`, "programs idle_timeout"},
		{`, "programs": {"registration": true}`, `, "programs": {"registration": true, "max_lifetime": "1000h"}`, "programs max_lifetime"},
		{`, "programs": {"registration": true}`, `, "programs": {"registration": true, "max_programs": 7}`, "programs max_programs"},
		{``, `, "redirect_uri": ["https://localhost/zoom_pkce/callback"]`, "the scheme of redirect_uri"},
		{``, `, "cookie": {"name": "other"}`, "cookie name"},
		{``, `, "cookie": {"domain": "localhost"}`, "cookie domain"},
		{``, `, "cookie": {"same_site": "none"}`, "cookie same_site"},
		{``, secret("a"), "cookie secret"},
		{secret("a"), secret("b"), "cookie secret"},

		{``, ``, ""},
		{``, `, "programs": {"registration": true, "max_programs": 7}`, ""},
		{`, "session": {"store": {"module": "caddy"}}`, ``, ""},
		{`, "backend": {"secret": ["` + testCookieSecret + `"]}`, `, "backend": {"secret": ["` + testCookieSecret + `"]}`, ""},
		{``, `, "unauthenticated": "page", "zak": {"disabled": true}`, ""},
	} {
		p := provision(t, test.one)
		id := p.site.client.AppID()
		h, err := p.load(test.other)
		if test.option == "" {
			if err != nil {
				t.Errorf("%s and %s: %v", test.one, test.other, err)
			} else if err := h.Cleanup(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), " disagree on "+test.option+": ") || strings.Contains(err.Error(), testClientSecret) {
			t.Errorf("%s and %s: %v, want %s", test.one, test.other, err, test.option)
		} else if both := strings.Contains(err.Error(), ": both with redirect_uri http://localhost/zoom_pkce/callback;"); both == strings.Contains(test.other, "redirect_uri") {
			t.Errorf("%s: %v", test.other, err)
		}
		if n, _ := states.References(id); n != 1 {
			t.Errorf("%s: what was refused holds on: %d", test.other, n)
		}
	}
	three := provision(t, "")
	three.beside(`, "programs": {"registration": true, "max_programs": 7}`)
	if _, err := three.load(`, "programs": {"registration": true, "max_programs": 8}`); err == nil {
		t.Error("the second and the third of an app disagree")
	}
	p := provision(t, `, "backend": {"secret": ["`+testCookieSecret+`"]}`)
	another := `, "client_id": "` + testOtherApp + `", "backend": {"secret": ["%s", "` + strings.Repeat("b", 32) + `"]}`
	if _, err := p.load(fmt.Sprintf(another, testCookieSecret)); err == nil || !strings.Contains(err.Error(), "backend secret: ") || strings.Contains(err.Error(), testCookieSecret) {
		t.Errorf("two apps with one backend secret: %v", err)
	}
	for _, options := range []string{fmt.Sprintf(another, strings.Repeat("c", 32)), `, "client_id": "` + testOtherApp + `"`} {
		if h, err := p.load(options); err != nil {
			t.Errorf("two apps: %v", err)
		} else if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be loaded is named by its option.
func TestProvisionRefuses(t *testing.T) {
	p := provision(t, "")
	for options, want := range map[string]string{
		`, "protect": [{"path_regexp": {"pattern": "("}}]`:                              "protect: ",
		`, "zak": {"match": [{"path_regexp": {"pattern": "("}}]}`:                       "zak match: ",
		`, "headers": {"access_token": {"match": [{"path_regexp": {"pattern": "("}}]}}`: "headers access_token match: ",
		`, "session": {"store": {"module": "none"}}`:                                    "session store: ",
		`, "session": {"store": {"module": "golden"}}`:                                  "session store: *caddymodule.goldenStore is not a session store",
		`, "cookie": {"same_site": "strict"}`:                                           "cookie same_site",
	} {
		if _, err := p.load(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", options, err, want)
		}
	}
	if n, _ := states.References(p.site.client.AppID()); n != 1 {
		t.Errorf("what was refused holds on: %d", n)
	}
	second := p.beside("")
	for range 2 {
		if err := second.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	if n, known := states.References(p.site.client.AppID()); n != 1 || !known {
		t.Errorf("cleaned up twice: %d, %v", n, known)
	}
	if err := p.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if _, known := states.References(p.site.client.AppID()); known {
		t.Error("what nobody needs is kept")
	}
	if err := new(Handler).Cleanup(); err != nil {
		t.Error(err)
	}
}

// Programs find the sign-in of what is protected, and of nothing else.
func TestMetadataOfWhatIsProtected(t *testing.T) {
	const programs = `, "programs": {"registration": true}`
	for _, test := range []struct {
		protect string
		found   []string // below oauth-protected-resource
		missing []string
	}{
		{``, []string{"", "/", "/any", "/%70rivate"}, []string{"/zoom_pkce", "/zoom_pkce/x"}},
		{`, "protect": [{"path": ["/private/*"]}]`, []string{"", "/private/x", "/%70rivate/x", "/private;v/x"}, []string{"/public"}},
		{`, "protect": [{"path_regexp": {"pattern": "^/p"}}]`, []string{"/private"}, []string{"/x"}},
		{`, "protect": [{"not": [{"path": ["/public/*"]}]}]`, []string{"/private"}, []string{"/public/x"}},
		{`, "protect": [{"not": [{"method": ["PUT"]}]}]`, []string{"/any"}, nil},
		{`, "protect": [{"path": ["/private"]}, {"method": ["PUT"]}]`, []string{"/any"}, nil},
	} {
		p := provision(t, programs+test.protect)
		for _, path := range test.found {
			got, _ := p.fetch("/.well-known/oauth-protected-resource"+path, "")
			var answer struct {
				Resource string   `json:"resource"`
				Servers  []string `json:"authorization_servers"`
			}
			if err := json.Unmarshal([]byte(bodyOf(got)), &answer); err != nil || answer.Resource != "http://localhost"+path || len(answer.Servers) != 1 || answer.Servers[0] != "http://localhost" {
				t.Errorf("%s: %q: %s, %+v", test.protect, path, got.Status, answer)
			}
		}
		for _, path := range test.missing {
			if got, _ := p.fetch("/.well-known/oauth-protected-resource"+path, ""); got.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %q is found", test.protect, path)
			}
		}
		if got, _ := p.fetch("/zoom_pkce/session", ""); got.Header.Get("WWW-Authenticate") != `Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource"` {
			t.Errorf("%s: an endpoint's challenge is %q", test.protect, got.Header.Get("WWW-Authenticate"))
		}
	}
	p := provision(t, "")
	if got, _ := p.fetch("/.well-known/oauth-protected-resource", ""); got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without programs: %s with %v", got.Status, got.Header)
	}
}

// eventsOf takes the events of an app.
type eventsOf chan caddy.Event

func (c eventsOf) Handle(_ context.Context, e caddy.Event) error { c <- e; return nil }

// Events tell of a user and the app, not inside the request.
func TestEventsForCaddy(t *testing.T) {
	p := provision(t, `, "webhook": {"secret_token": ["`+testWebhookSecret+`"]}`+strings.Replace(programOptions, `"protect": [{"path": ["/private/*"]}], `, "", 1))
	module, err := p.ctx.App("events")
	if err != nil {
		t.Fatal(err)
	}
	got := make(eventsOf, 100)
	if err := module.(*caddyevents.App).On("", got); err != nil {
		t.Fatal(err)
	}
	p.site.app.events.Start()
	next := func(name string, want map[string]any) {
		t.Helper()
		want["client_id"] = testClientID
		select {
		case e := <-got:
			if e.Name() != "zoom_pkce."+name || fmt.Sprint(e.Data) != fmt.Sprint(want) {
				t.Errorf("got %s of %v, want %s of %v", e.Name(), e.Data, name, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event %s", name)
		}
	}
	ada := p.signIn()
	next("signed_in", map[string]any{"user_id": "ada"})
	cli := p.program(ada, nil)
	next("program_allowed", map[string]any{"user_id": "ada", "program": "cli", "outcome": ""})
	timestamp, body := fmt.Sprint(time.Now().Unix()), `{"event": "user.updated", "event_ts": 1, "payload": {"object": {"id": "ada"}}}`
	p.post("/zoom_pkce/webhook", body, "", "X-Zm-Request-Timestamp", timestamp, "X-Zm-Signature", zoomtest.WebhookSignature(testWebhookSecret, timestamp, []byte(body)))
	next("webhook", map[string]any{"user_id": "", "event": "user.updated"})
	p.form("oauth/revoke", url.Values{"token": {cli.refresh}, "client_id": {"cli"}}, "")
	next("program_ended", map[string]any{"user_id": "ada", "program": "cli", "outcome": "revoked"})
	p.post("/zoom_pkce/logout", "", ada)
	next("signed_out", map[string]any{"user_id": "ada"})
	p.signIn()
	next("signed_in", map[string]any{"user_id": "ada"})
	if _, err := p.site.manager.EndUser(t.Context(), "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	next("deauthorized", map[string]any{"user_id": "ada"})
	p.site.observe(zoompkce.Event{Kind: zoompkce.EventRefresh, UserID: "ada", Outcome: "failed", Err: errBroken})
	next("refresh_failed", map[string]any{"user_id": "ada", "outcome": "failed"})
	p.site.observe(zoompkce.Event{Kind: zoompkce.EventRefresh, UserID: "ada", Outcome: "ok"})
	p.site.app.events.Close()
	select {
	case e := <-got:
		t.Errorf("an event %s", e.Name())
	default:
	}
}
