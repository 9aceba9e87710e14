package zoomapi

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	testClientID = "client-id"
	testSecret   = "s3cret-of-the-app"
)

// serveZoom starts a server and returns a client of a confidential app for it.
func serveZoom(t *testing.T, handler http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := Config{ClientID: testClientID, ClientSecret: testSecret, OAuthURL: server.URL}
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// reply answers every request with status and body.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestNewClientRefusesBadConfig(t *testing.T) {
	const leak = "hunter2"
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no client id":           {Config{}, "client_id"},
		"space in client id":     {Config{ClientID: "a b"}, "client_id"},
		"line break in secret":   {Config{ClientID: "a", ClientSecret: leak + "\n"}, "client_secret"},
		"http to a real host":    {Config{ClientID: "a", OAuthURL: "http://zoom.us"}, "oauth_url"},
		"password in URL":        {Config{ClientID: "a", OAuthURL: "https://u:" + leak + "@zoom.us"}, "oauth_url"},
		"unparsable URL":         {Config{ClientID: "a", OAuthURL: "https://u:" + leak + "@zoom.us:port"}, "oauth_url"},
		"query":                  {Config{ClientID: "a", APIURL: "https://api.zoom.us?k=" + leak}, "api_url"},
		"lone question mark":     {Config{ClientID: "a", APIURL: "https://api.zoom.us?"}, "api_url"},
		"fragment":               {Config{ClientID: "a", AuthorizeURL: "https://zoom.us/a#"}, "authorize_url"},
		"no scheme":              {Config{ClientID: "a", APIURL: "api.zoom.us"}, "api_url"},
		"no host":                {Config{ClientID: "a", APIURL: "https:///v2"}, "api_url"},
		"other scheme":           {Config{ClientID: "a", APIURL: "ftp://api.zoom.us"}, "api_url"},
		"loopback as a prefix":   {Config{ClientID: "a", APIURL: "http://127.0.0.1.evil.example"}, "api_url"},
		"scope with a space":     {Config{ClientID: "a", Scopes: []string{"user:read user:write"}}, "scopes"},
		"negative timeout":       {Config{ClientID: "a", Timeout: -1}, "timeout"},
		"authorize URL by proxy": {Config{ClientID: "a", AuthorizeURL: "http://zoom.us/oauth/authorize"}, "authorize_url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewClient(test.cfg)
			if err == nil || !strings.HasPrefix(err.Error(), test.want+":") {
				t.Fatalf("got %v, want an error about %s", err, test.want)
			}
			if strings.Contains(err.Error(), leak) {
				t.Fatalf("the error repeats a secret: %v", err)
			}
		})
	}
}

func TestNewClientDefaults(t *testing.T) {
	for name, test := range map[string]struct{ cfg, want Config }{
		"commercial": {Config{}, Config{
			OAuthURL: "https://zoom.us/oauth/token", APIURL: "https://api.zoom.us", AuthorizeURL: "https://zoom.us/oauth/authorize",
		}},
		"government, with a slash": {Config{OAuthURL: "https://ZoomGov.com:443/"}, Config{
			OAuthURL: "https://zoomgov.com/oauth/token", APIURL: "https://api.zoomgov.com",
			AuthorizeURL: "https://zoomgov.com/oauth/authorize",
		}},
		"loopback": {Config{OAuthURL: "http://127.0.0.1:99/zoom/"}, Config{
			OAuthURL: "http://127.0.0.1:99/zoom/oauth/token", APIURL: "http://127.0.0.1:99/zoom",
			AuthorizeURL: "http://127.0.0.1:99/zoom/oauth/authorize",
		}},
		"localhost": {Config{OAuthURL: "http://localhost:99"}, Config{
			OAuthURL: "http://localhost:99/oauth/token", APIURL: "http://localhost:99", AuthorizeURL: "http://localhost:99/oauth/authorize",
		}},
		"below localhost": {Config{OAuthURL: "http://app.localhost"}, Config{
			OAuthURL: "http://app.localhost/oauth/token", APIURL: "http://app.localhost", AuthorizeURL: "http://app.localhost/oauth/authorize",
		}},
		"an address": {Config{OAuthURL: "https://192.0.2.1"}, Config{
			OAuthURL: "https://192.0.2.1/oauth/token", APIURL: "https://192.0.2.1", AuthorizeURL: "https://192.0.2.1/oauth/authorize",
		}},
		"all given": {
			Config{APIURL: "http://[::1]:80/", AuthorizeURL: "https://marketplace.zoom.us/v2/authorize"},
			Config{
				OAuthURL: "https://zoom.us/oauth/token", APIURL: "http://[::1]",
				AuthorizeURL: "https://marketplace.zoom.us/v2/authorize",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.cfg.ClientID = testClientID
			c, err := NewClient(test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.oauth.Endpoint.TokenURL; got != test.want.OAuthURL {
				t.Errorf("token URL %s, want %s", got, test.want.OAuthURL)
			}
			if got := c.api.String(); got != test.want.APIURL {
				t.Errorf("API URL %s, want %s", got, test.want.APIURL)
			}
			if got := c.oauth.Endpoint.AuthURL; got != test.want.AuthorizeURL {
				t.Errorf("authorize URL %s, want %s", got, test.want.AuthorizeURL)
			}
			if c.timeout != defaultTimeout {
				t.Errorf("timeout %v", c.timeout)
			}
		})
	}
}

func TestNewClientCopiesScopes(t *testing.T) {
	scopes := []string{"user:read:user"}
	c, err := NewClient(Config{ClientID: testClientID, Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	scopes[0] = "changed"
	if u := c.AuthCodeURL("https://app.example/cb", "state", NewVerifier()); strings.Contains(u, "changed") {
		t.Errorf("the client shares the caller's slice: %s", u)
	}
}

func TestAppID(t *testing.T) {
	// printf 'https://zoom.us\0client-id' | sha256sum | head -c 8
	const want = "901d00e4"
	for _, oauthURL := range []string{"", "https://zoom.us", "https://zoom.us/", "https://ZOOM.us:443"} {
		if got := AppID(oauthURL, testClientID); got != want {
			t.Errorf("AppID(%q) = %s, want %s", oauthURL, got, want)
		}
	}
	if AppID("https://zoom.us/a", "b") == AppID("https://zoom.us/", "ab") {
		t.Error("two apps share an id because their fields were joined without a separator")
	}
	if c, err := NewClient(Config{ClientID: testClientID}); err != nil || c.AppID() != want {
		t.Errorf("client: %v, %v", c, err)
	}
}

func TestAuthCodeURL(t *testing.T) {
	// RFC 7636 appendix B.
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	c, err := NewClient(Config{ClientID: testClientID, Scopes: []string{"user:read:user", "user:read:zak"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c.AuthCodeURL("https://app.example/cb?x=1&y", "st&te", verifier))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {testClientID}, "redirect_uri": {"https://app.example/cb?x=1&y"},
		"state": {"st&te"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"scope": {"user:read:user user:read:zak"},
	}
	if got := u.Query(); got.Encode() != want.Encode() {
		t.Errorf("got %v, want %v", got, want)
	}
	c, err = NewClient(Config{ClientID: testClientID})
	if err != nil {
		t.Fatal(err)
	}
	if u := c.AuthCodeURL("https://app.example/cb", "s", verifier); strings.Contains(u, "scope") {
		t.Errorf("scopes were asked for although none are configured: %s", u)
	}
	// RFC 6749 section 3.1: the query of the page is kept.
	c, err = NewClient(Config{ClientID: testClientID, AuthorizeURL: "https://zoom.us/v2/authorize?beta=a%20b"})
	if err != nil {
		t.Fatal(err)
	}
	u, err = url.Parse(c.AuthCodeURL("https://app.example/cb", "s", verifier))
	if got := u.Query(); err != nil || u.Path != "/v2/authorize" || got.Get("beta") != "a b" || got.Get("state") != "s" || len(got) != 7 {
		t.Errorf("%s, %v", u, err)
	}
}

func TestVerifier(t *testing.T) {
	a, b := NewVerifier(), NewVerifier()
	if len(a) != 43 || a == b || strings.Trim(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("verifiers %q, %q", a, b)
	}
	if got := S256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("S256 gave %s", got)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "S3CRET"
	cfg := Config{ClientID: testClientID, ClientSecret: secret, OAuthURL: "https://u:" + secret + "@zoom.us?k=" + secret}
	client, err := NewClient(Config{ClientID: testClientID, ClientSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	tok := Token{AccessToken: secret, RefreshToken: secret}
	sdk := MeetingSDK{Key: "k", Secret: secret}
	for _, v := range []any{
		cfg, &cfg, client, tok, &tok,
		[]Token{tok},
		struct{ T Token }{tok},
		ZAK{Token: secret},
		&ZAK{Token: secret},
		OBF{Token: secret},
		&OBF{Token: secret}, sdk, &sdk,
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("test", "v", v)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&log, verb, v)
		}
		hexSecret := fmt.Sprintf("%x", secret)
		if s := log.String(); strings.Contains(s, secret) || strings.Contains(s, hexSecret) {
			t.Errorf("%T prints its secret: %s", v, s)
		}
	}
	for want, v := range map[string]any{
		`zoompkce.Config{ClientID: "` + testClientID + `", OAuthURL: "https://zoom.us"}`:     cfg,
		`zoompkce.Config{ClientID: "", OAuthURL: "[redacted]"}`:                              Config{OAuthURL: "%zz" + secret},
		`zoompkce.Client{ClientID: "` + testClientID + `", AppID: "` + client.AppID() + `"}`: client,
		`zoompkce.MeetingSDK{Key: "k"}`:                                                      sdk,
	} {
		if got := fmt.Sprintf("%d", v); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, v := range []any{tok, ZAK{Token: secret}, OBF{Token: secret}} {
		if got := fmt.Sprintf("%x", v); got != "[redacted]" {
			t.Errorf("%T prints %s", v, got)
		}
	}
}

// The longest that is taken, and a byte more.
func TestLengths(t *testing.T) {
	long := func(n int) string { return strings.Repeat("~", n) }
	key := pkcs8(ecKey())
	for name, tt := range map[string]struct {
		longest func(n int) error
		n       int
	}{
		"client id":     {func(n int) error { _, err := NewClient(Config{ClientID: long(n)}); return err }, 256},
		"client secret": {func(n int) error { _, err := NewClient(Config{ClientID: "a", ClientSecret: long(n)}); return err }, 1024},
		"key id": {func(n int) error {
			_, err := NewClient(Config{ClientID: "a", ClientKey: key, ClientKeyID: long(n)})
			return err
		}, 256},
		"deep link": {func(n int) error {
			if !isZoomAddress("zoomus://" + long(n-len("zoomus://"))) {
				return errNotJSON
			}
			return nil
		}, 4 << 10},
		"e-mail": {func(n int) error {
			if !validEmail("a@" + long(n-2)) {
				return errNotJSON
			}
			return nil
		}, 254},
		"id": {func(n int) error {
			if !validID(long(n)) {
				return errNotJSON
			}
			return nil
		}, 256},
		"scopes": {func(n int) error {
			if splitScopes(strings.Repeat(" ", n-1)+"a") == nil {
				return errNotJSON
			}
			return nil
		}, 8 << 10},
		"Retry-After": {func(n int) error {
			if wait, ok := parseRetryAfter(http.Header{"Retry-After": {strings.Repeat("1", n)}}, time.Now()); !ok {
				e := &Error{}
				if e.unavailable(&answer{header: http.Header{"Retry-After": {strings.Repeat("1", n)}}}); e.RetryAfter != 0 || wait != 0 {
					t.Errorf("waits %v", e.RetryAfter)
				}
				return errNotJSON
			}
			return nil
		}, 64},
	} {
		if err := tt.longest(tt.n); err != nil {
			t.Errorf("%s of %d bytes: %v", name, tt.n, err)
		}
		if tt.longest(tt.n+1) == nil {
			t.Errorf("%s of %d bytes is taken", name, tt.n+1)
		}
	}
	if got := boundedName(strings.Repeat("a", 1025)); len(got) != 1024 {
		t.Errorf("a name of %d bytes", len(got))
	}
	if got := boundedName(strings.Repeat("a", 1023) + "ä"); len(got) != 1023 {
		t.Errorf("a name of %d bytes", len(got))
	}
	if validEmail("a@\uFFFD") {
		t.Error("an address with a replacement character is taken")
	}
}

// closer counts how often idle connections are closed.
type closer struct {
	http.RoundTripper
	closed int
}

func (c *closer) CloseIdleConnections() { c.closed++ }

func TestWhoseAndWhat(t *testing.T) {
	public := must(NewClient(Config{ClientID: "a"}))
	secret := must(NewClient(Config{ClientID: "a", ClientSecret: "s"}))
	keyed := must(NewClient(Config{ClientID: "a", ClientKey: pkcs8(ecKey())}))
	if !public.Public() || secret.Public() || keyed.Public() {
		t.Error("who is public is mixed up")
	}
	ids := map[CredentialsID]bool{
		public.CredentialsID(): true, secret.CredentialsID(): true, keyed.CredentialsID(): true,
		must(NewClient(Config{ClientID: "as"})).CredentialsID():                                             true,
		must(NewClient(Config{ClientID: "a", ClientKey: pkcs8(ecKey()), ClientKeyID: "k"})).CredentialsID(): true,
	}
	if len(ids) != 5 || must(NewClient(Config{ClientID: "a", ClientSecret: "s"})).CredentialsID() != secret.CredentialsID() {
		t.Errorf("%d ids of 5 credentials", len(ids))
	}
	ours := new(closer)
	public.http.Transport = ours
	public.CloseIdleConnections()
	theirs := new(closer)
	must(NewClient(Config{ClientID: "a", HTTPClient: &http.Client{Transport: theirs}})).CloseIdleConnections()
	if ours.closed != 1 || theirs.closed != 0 {
		t.Errorf("closed ours %d times, theirs %d times", ours.closed, theirs.closed)
	}
}

// mustJSON is for bodies of test servers.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
