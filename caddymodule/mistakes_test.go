package caddymodule

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func TestResolveRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*Handler)
		want   string
	}{
		"no client_id":                  {func(h *Handler) { h.ClientID = "" }, "client_id: is required"},
		"a client_id with a line end":   {func(h *Handler) { h.ClientID = "id\n" }, "client_id \"id\\n\": contains a line end"},
		"a client_id with spaces":       {func(h *Handler) { h.ClientID = "my id" }, "must not contain white space"},
		"a secret with trailing spaces": {func(h *Handler) { h.ClientSecret = "x " }, "client_secret: begins or ends with white space"},
		"a request placeholder": {
			func(h *Handler) { h.PathPrefix = "/{http.request.host}" },
			`path_prefix "/{http.request.host}": unrecognized placeholder {http.request.host} (only {env.*}`,
		},
		"oauth_url over plain http": {
			func(h *Handler) { h.OAuthURL = "http://zoom.us" }, `oauth_url "http://zoom.us": must be https`,
		},
		"oauth_url with a query":          {func(h *Handler) { h.OAuthURL = "https://zoom.us/?a=b" }, "must not have a query"},
		"oauth_url with a password":       {func(h *Handler) { h.OAuthURL = "https://a:b@zoom.us" }, "oauth_url: must not contain a user name"},
		"api_url that is no URL":          {func(h *Handler) { h.APIURL = "api.zoom.us" }, "is not an absolute URL"},
		"api_url with a broken port":      {func(h *Handler) { h.APIURL = "https://api.zoom.us:99999" }, "has no valid port"},
		"authorize_url with fragment":     {func(h *Handler) { h.AuthorizeURL = "https://zoom.us/a#b" }, "must not have a fragment"},
		"authorize_url elsewhere":         {func(h *Handler) { h.AuthorizeURL = "ftp://zoom.us/" }, "is not an absolute URL"},
		"a scope of another alphabet":     {func(h *Handler) { h.Scopes = []string{"é"} }, "is not a scope"},
		"a scope with a quote":            {func(h *Handler) { h.Scopes = []string{`a"b`} }, "is not a scope"},
		"a negative zoom_timeout":         {func(h *Handler) { h.ZoomTimeout = -1 }, "zoom_timeout: -1ns is negative"},
		"a long zoom_timeout":             {func(h *Handler) { h.ZoomTimeout = caddy.Duration(time.Hour) }, "zoom_timeout: 1h0m0s is more than 5m0s"},
		"a negative refresh_margin":       {func(h *Handler) { h.RefreshMargin = new(caddy.Duration(-1)) }, "refresh_margin: -1ns"},
		"the whole site as path_prefix":   {func(h *Handler) { h.PathPrefix = "/" }, `path_prefix "/": must begin with /`},
		"a path_prefix that ends in /":    {func(h *Handler) { h.PathPrefix = "/zoom/" }, "no trailing slash"},
		"a path_prefix with dots":         {func(h *Handler) { h.PathPrefix = "/a/../b" }, "path_prefix"},
		"a path_prefix with an escape":    {func(h *Handler) { h.PathPrefix = "/a%20b" }, "path_prefix"},
		"a path_prefix with braces":       {func(h *Handler) { h.PathPrefix = `/a\{b\}` }, "path_prefix"},
		"a relative path_prefix":          {func(h *Handler) { h.PathPrefix = "zoom" }, "path_prefix"},
		"an unknown mode":                 {func(h *Handler) { h.Unauthenticated = "deny" }, `unauthenticated "deny": is not one of redirect, page, reject, pass`},
		"a landing page on another host":  {func(h *Handler) { h.AfterLogout = "//evil.example" }, "after_logout"},
		"a landing page with a percent":   {func(h *Handler) { h.AfterLogout = "/%zz" }, "after_logout"},
		"a landing page with a backslash": {func(h *Handler) { h.AfterLogout = `/\evil.example` }, "after_logout"},
		"a landing page that is a script": {func(h *Handler) { h.AfterLogout = "javascript:alert(1)" }, "after_logout"},
		"a relative landing page":         {func(h *Handler) { h.AfterLogout = "bye" }, "after_logout"},

		"an allow without entries": {func(h *Handler) { h.Allow = new(Allow) }, "allow: lists nobody"},
		"an email without @":       {func(h *Handler) { h.Allow = &Allow{Email: []string{"ann"}} }, "allow email \"ann\": is not an email"},
		"an email with two @":      {func(h *Handler) { h.Allow = &Allow{Email: []string{"a@b@c"}} }, "exactly one @"},
		"a domain with @":          {func(h *Handler) { h.Allow = &Allow{EmailDomain: []string{"@example.com"}} }, "write it without @"},
		"an empty user id":         {func(h *Handler) { h.Allow = &Allow{UserID: []string{""}} }, "allow user_id: is empty"},
		"an unset account id": {
			func(h *Handler) { h.Allow = &Allow{AccountID: []string{"{env.ZOOM_UNSET}"}} }, "placeholder {env.ZOOM_UNSET} is empty: the variable is not set",
		},

		"a header name with a space": {
			func(h *Handler) { h.Headers = &Headers{UserID: &Header{Name: "X User"}} }, `headers user_id "X User": is not a valid header name`,
		},
		"a header that HTTP needs": {
			func(h *Handler) { h.Headers = &Headers{Name: &Header{Name: "transfer_encoding"}} }, "belongs to HTTP itself",
		},
		"the Cookie header": {func(h *Handler) { h.ZAK = &ZAK{Header: "Cookie"} }, `zak header "Cookie": belongs to HTTP itself`},
		"fetch metadata":    {func(h *Handler) { h.ZAK = &ZAK{Header: "Sec-Fetch-Site"} }, "belongs to HTTP itself"},
		"a scheme of two words": {
			func(h *Handler) { h.Headers = &Headers{AccessToken: &TokenHeader{Scheme: "Bearer x"}} }, "is not an authentication scheme",
		},
		"one header for two values": {
			func(h *Handler) { h.Headers = &Headers{Email: &Header{Name: "x_zoom.user-ID"}} },
			`headers email "x_zoom.user-ID": the header x-zoom-user-id is also set by headers user_id`,
		},
		"the ZAK error header for another value": {
			func(h *Handler) { h.Headers = &Headers{Name: &Header{Name: "X-Zoom-Zak-Error"}} },
			"zak header: the header x-zoom-zak-error is also set by headers name",
		},
		"ZAK and OBF in one header": {
			func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", Header: "X-Zoom-Zak"} }, "obf header",
		},

		"a ZAK older than 4 minutes": {
			func(h *Handler) { h.ZAK = &ZAK{MaxAge: new(caddy.Duration(5 * time.Minute))} }, "zak max_age: 5m0s is not between 0 and 4m",
		},
		"a negative ZAK age": {func(h *Handler) { h.ZAK = &ZAK{MaxAge: new(caddy.Duration(-1))} }, "zak max_age"},
		"a ZAK older than its lifetime": {
			func(h *Handler) {
				h.ZAK = &ZAK{MaxAge: new(caddy.Duration(2 * time.Minute)), Lifetime: caddy.Duration(time.Minute)}
			}, "zak max_age: 2m0s is not between 0 and its lifetime",
		},
		"a ZAK for more than a year": {
			func(h *Handler) { h.ZAK = &ZAK{Lifetime: caddy.Duration(366 * 24 * time.Hour)} }, "zak lifetime",
		},
		"a ZAK for half a second":       {func(h *Handler) { h.ZAK = &ZAK{Lifetime: caddy.Duration(time.Second / 2)} }, "zak lifetime"},
		"an unknown zak on_error":       {func(h *Handler) { h.ZAK = &ZAK{OnError: "retry"} }, `zak on_error "retry": is not one of omit, fail`},
		"an OBF without a meeting":      {func(h *Handler) { h.OBF = new(OBF) }, "obf meeting_id: is required"},
		"an OBF for no meeting number":  {func(h *Handler) { h.OBF = &OBF{MeetingID: "12345678"} }, "obf meeting_id"},
		"an OBF with negative lifetime": {func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", Lifetime: -1} }, "obf lifetime"},
		"an OBF older than its lifetime": {
			func(h *Handler) {
				h.OBF = &OBF{MeetingID: "{x}", Lifetime: caddy.Duration(time.Minute), MaxAge: new(caddy.Duration(time.Hour))}
			}, "obf max_age: 1h0m0s is not between 0 and 1m0s",
		},
		"an OBF older than 2 hours": {
			func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", MaxAge: new(caddy.Duration(3 * time.Hour))} }, "obf max_age: 3h0m0s",
		},
		"a negative OBF age":      {func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", MaxAge: new(caddy.Duration(-1))} }, "obf max_age"},
		"an unknown obf on_error": {func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", OnError: "no"} }, "obf on_error"},

		"a short Meeting SDK JWT": {
			func(h *Handler) { h.MeetingSDK = &MeetingSDK{ExpiresIn: caddy.Duration(29 * time.Minute)} }, "meeting_sdk expires_in: 29m0s is not between",
		},
		"a long Meeting SDK JWT": {
			func(h *Handler) { h.MeetingSDK = &MeetingSDK{ExpiresIn: caddy.Duration(49 * time.Hour)} }, "meeting_sdk expires_in: 49h0m0s is not between",
		},
		"an unknown role": {func(h *Handler) { h.MeetingSDK = &MeetingSDK{Roles: []int{5}} }, "meeting_sdk roles: 5"},
		"a Meeting SDK without a secret": {
			func(h *Handler) { h.ClientSecret = ""; h.MeetingSDK = new(MeetingSDK) }, "meeting_sdk sdk_secret: is required for a public client, and so is sdk_key",
		},
		"a Meeting SDK with the id of a public client": {
			func(h *Handler) { h.ClientSecret = ""; h.MeetingSDK = &MeetingSDK{SDKSecret: "s"} }, "meeting_sdk sdk_key: is required for a public client",
		},
		"a Meeting SDK with half of a public client's key": {
			func(h *Handler) { h.ClientSecret = ""; h.MeetingSDK = &MeetingSDK{SDKKey: "k"} }, "meeting_sdk sdk_secret: is required for a public client",
		},
		"a client_key that is none": {
			func(h *Handler) { h.ClientSecret, h.ClientKey = "", "a-secret-word" }, "client_key: there is no private key in PEM",
		},
		"a client_key beside a client_secret": {
			func(h *Handler) { h.ClientKey = testClientKey }, "client_secret: leave it out beside client_key",
		},
		"a key id with a space": {
			func(h *Handler) { h.ClientSecret, h.ClientKey, h.ClientKeyID = "", testClientKey, "a b" }, "client_key: the key id must not contain spaces",
		},
		"a key id without a key": {func(h *Handler) { h.ClientKeyID = "key-1" }, `client_key_id "key-1": names a client_key, and there is none`},
		"a Meeting SDK that signs with a client_key": {
			func(h *Handler) {
				h.ClientSecret, h.ClientKey, h.MeetingSDK = "", testClientKey, &MeetingSDK{SDKSecret: "x"}
			}, "meeting_sdk: needs sdk_key and sdk_secret beside client_key",
		},
		"a Meeting SDK that signs with the secret of a Zoom App": {
			func(h *Handler) { h.ClientKey, h.MeetingSDK, h.ZoomApp = testClientKey, new(MeetingSDK), new(ZoomApp) },
			"meeting_sdk: needs sdk_key and sdk_secret beside client_key",
		},
		"a Zoom App with a key alone": {
			func(h *Handler) { h.ClientSecret, h.ClientKey, h.ZoomApp = "", testClientKey, new(ZoomApp) }, "zoom_app: needs client_secret",
		},
		"a Zoom App without a secret": {
			func(h *Handler) { h.ClientSecret = ""; h.ZoomApp = new(ZoomApp) }, "zoom_app: needs client_secret",
		},
		"a Zoom App over plain http": {
			func(h *Handler) { h.ZoomApp = &ZoomApp{RedirectURI: []string{"http://app.example.com/"}} }, "zoom_app redirect_uri",
		},
		"back ends without a secret": {func(h *Handler) { h.Backend = &Backend{KeepGrants: 1} }, "backend secret: is required"},
		"a backend secret of 31 bytes": {
			func(h *Handler) { h.Backend = &Backend{Secret: []string{strings.Repeat("x", 31)}} }, "backend secret: has 31 bytes, it needs 32 or more",
		},
		"the second of 31 bytes": {
			func(h *Handler) {
				h.Backend = &Backend{Secret: []string{strings.Repeat("x", 32), strings.Repeat("y", 31)}}
			},
			"backend secret (number 2): has 31 bytes",
		},
		"grants kept for less than nothing": {
			func(h *Handler) { h.Backend = &Backend{Secret: []string{strings.Repeat("x", 32)}, KeepGrants: -1} }, "backend keep_grants: -1ns is negative",
		},
		"a webhook for a client that is empty": {
			func(h *Handler) { h.Webhook = &Webhook{SecretToken: []string{"x"}, ClientID: []string{""}} }, "webhook client_id: is empty",
		},
		"programs for nobody": {func(h *Handler) { h.Programs = new(Programs) }, "programs: lets nobody in"},
		"a program without an id": {
			func(h *Handler) {
				h.Programs = &Programs{Client: []ProgramClient{{RedirectURI: []string{"http://127.0.0.1/"}}}}
			}, `programs client: the id "" is empty`,
		},
		"a program with a colon": {
			func(h *Handler) { h.Programs = &Programs{Client: []ProgramClient{{ID: "a:b"}}} }, "must be visible ASCII without colons",
		},
		"a program that leads nowhere": {
			func(h *Handler) { h.Programs = &Programs{Client: []ProgramClient{{ID: "cli"}}} }, "programs client cli redirect_uri: is required",
		},
		"a program on plain http": {
			func(h *Handler) {
				h.Programs = &Programs{Client: []ProgramClient{{ID: "cli", RedirectURI: []string{"http://cli.example.com/"}}}}
			}, `programs client cli redirect_uri "http://cli.example.com/": http is for this machine only`,
		},
		"a program twice": {
			func(h *Handler) {
				cli := ProgramClient{ID: "cli", RedirectURI: []string{"http://127.0.0.1/"}}
				h.Programs = &Programs{Client: []ProgramClient{cli, cli}}
			}, "is there twice",
		},
		"a redirect host that is a URL": {
			func(h *Handler) {
				h.Programs = &Programs{Registration: true, RedirectHosts: []string{"https://client.example.com"}}
			}, "programs redirect_hosts",
		},
		"programs that end before their tokens": {
			func(h *Handler) {
				h.Programs = &Programs{Registration: true, IdleTimeout: caddy.Duration(time.Minute)}
			}, "programs idle_timeout: 1m0s is less than the 1h0m0s of token_lifetime",
		},
		"programs for ever": {
			func(h *Handler) {
				h.Programs = &Programs{Registration: true, MaxLifetime: caddy.Duration(11 * 365 * 24 * time.Hour)}
			}, "is more than 10 years",
		},
		"a callback in the place of a program's endpoint": {
			func(h *Handler) {
				h.RedirectURI = []string{"https://app.example.com/zoom_pkce/oauth/token"}
				h.Programs = &Programs{Registration: true}
			}, `redirect_uri: its path is that of the endpoint "oauth/token"`,
		},
		"a webhook without a token": {func(h *Handler) { h.Webhook = new(Webhook) }, "webhook secret_token: is required"},

		"a session for ever":       {func(h *Handler) { h.Session = &Session{MaxLifetime: caddy.Duration(401 * 24 * time.Hour)} }, "session max_lifetime"},
		"a sync interval of days":  {func(h *Handler) { h.Session = &Session{SyncInterval: caddy.Duration(25 * time.Hour)} }, "session sync_interval"},
		"negative sessions":        {func(h *Handler) { h.Session = &Session{MaxSessions: -1} }, "session max_sessions: -1 is not between 1 and 1000"},
		"a negative cache":         {func(h *Handler) { h.Session = &Session{CacheSize: -1} }, "session cache_size"},
		"a cookie name with =":     {func(h *Handler) { h.Cookie = &Cookie{Name: "a=b"} }, `cookie name "a=b"`},
		"a cookie name too long":   {func(h *Handler) { h.Cookie = &Cookie{Name: strings.Repeat("a", 65)} }, "is not a cookie name of at most 64 letters"},
		"a cookie prefix":          {func(h *Handler) { h.Cookie = &Cookie{Name: "__host-zoom"} }, "leave the prefix out"},
		"an address as domain":     {func(h *Handler) { h.Cookie = &Cookie{Domain: "127.0.0.1"} }, "is not a domain name"},
		"a domain label of 64":     {func(h *Handler) { h.Cookie = &Cookie{Domain: strings.Repeat("a", 64) + ".com"} }, "is not a domain name"},
		"a domain of 254":          {func(h *Handler) { h.Cookie = &Cookie{Domain: strings.Repeat("a.", 127)} }, "is not a domain name"},
		"a domain label with -":    {func(h *Handler) { h.Cookie = &Cookie{Domain: "-a.example"} }, "is not a domain name"},
		"a top-level domain":       {func(h *Handler) { h.Cookie = &Cookie{Domain: "com"} }, "whole top-level domain"},
		"a domain of another site": {func(h *Handler) { h.Cookie = &Cookie{Domain: "p.example.com"} }, "neither equals it nor lies below it"},
		"a domain that only ends alike": {
			func(h *Handler) { h.Cookie = &Cookie{Domain: "le.com"} }, "neither equals it nor lies below it",
		},
		"strict cookies": {func(h *Handler) { h.Cookie = &Cookie{SameSite: "strict"} }, "cannot work: the way back from Zoom"},
		"loose cookies":  {func(h *Handler) { h.Cookie = &Cookie{SameSite: "loose"} }, "is not one of lax, none"},
		"a weak cookie secret": {
			func(h *Handler) { h.Cookie = &Cookie{Secret: []string{strings.Repeat("x", 31)}} }, "cookie secret: has 31 bytes, it needs 32 or more",
		},
		"an empty cookie secret": {func(h *Handler) { h.Cookie = &Cookie{Secret: []string{""}} }, "cookie secret: is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := minimalHandler()
			test.change(h)
			s, err := h.resolve(caddy.NewReplacer())
			if err == nil || s != nil {
				t.Fatalf("resolved, want an error that contains %q", test.want)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not contain %q", err, test.want)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != 1 {
				t.Errorf("one mistake is reported %d times: %q", lines, err)
			}
		})
	}
}

func TestResolveReportsAllMistakes(t *testing.T) {
	h := &Handler{
		PathPrefix: "x",
		ZAK:        &ZAK{Header: "Host"},
		Webhook:    new(Webhook),
		Cookie:     &Cookie{Secret: []string{"short"}},
	}
	_, err := h.resolve(caddy.NewReplacer())
	if err == nil {
		t.Fatal("no error")
	}
	for _, option := range []string{"client_id", "redirect_uri", "path_prefix", "zak header", "webhook secret_token", "cookie secret"} {
		if !strings.Contains(err.Error(), option) {
			t.Errorf("error does not name %s: %v", option, err)
		}
	}
}

// No mistake repeats a secret, wherever the secret comes from and even where it
// looks like a placeholder.
func TestResolveErrorsHideSecrets(t *testing.T) {
	const secret = "s3cr3t"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZOOM_BAD_SECRET", secret+"\n")
	tests := map[string]struct {
		raw  string
		want string // what the message has to name instead
	}{
		"braces in a literal":        {"pa{" + secret + "}word", `write them as \{ and \}`},
		"spaces around a literal":    {" " + secret, "white space"},
		"control characters":         {secret + "\n", "line end"},
		"an unset variable":          {secret + "{env.ZOOM_UNSET}", "placeholder {env.ZOOM_UNSET} is empty"},
		"a missing file":             {secret + "{file." + file + ".missing}", "placeholder {file." + file + ".missing} is empty"},
		"a variable with a line end": {"{env.ZOOM_BAD_SECRET}", "{env.ZOOM_BAD_SECRET}: contains"},
		"a file with two line ends":  {"{file." + file + "}", "{file." + file + "}: contains"},
	}
	options := map[string]func(h *Handler, raw string){
		"client_secret":          func(h *Handler, raw string) { h.ClientSecret = raw },
		"meeting_sdk sdk_secret": func(h *Handler, raw string) { h.MeetingSDK = &MeetingSDK{SDKSecret: raw} },
		"backend secret":         func(h *Handler, raw string) { h.Backend = &Backend{Secret: []string{raw}} },
		"webhook secret_token":   func(h *Handler, raw string) { h.Webhook = &Webhook{SecretToken: []string{raw}} },
	}
	for option, set := range options {
		for name, test := range tests {
			t.Run(option+" with "+name, func(t *testing.T) {
				h := minimalHandler()
				set(h, test.raw)
				_, err := h.resolve(caddy.NewReplacer())
				if err == nil {
					t.Fatal("no error")
				}
				if message := err.Error(); strings.Contains(message, secret) {
					t.Errorf("error %q contains the secret", message)
				} else if !strings.Contains(message, option) || !strings.Contains(message, test.want) {
					t.Errorf("error %q does not name %s and %q", message, option, test.want)
				}
			})
		}
	}
	t.Run("several cookie secrets are told apart", func(t *testing.T) {
		h := minimalHandler()
		h.Cookie = &Cookie{Secret: []string{strings.Repeat("x", 32), secret}}
		_, err := h.resolve(caddy.NewReplacer())
		if err == nil || !strings.Contains(err.Error(), "cookie secret (number 2): has 6 bytes") || strings.Contains(err.Error(), secret) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a client key", func(t *testing.T) {
		for raw, want := range map[string]string{
			secret:                             "client_key: there is no private key in PEM",
			testClientKey[:80] + "{env.unset}": "placeholder {env.unset} is empty",
			"{file." + file + "}":              "client_key {file." + file + "}: there is no private key in PEM",
			"-----BEGIN PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(secret)) + "\n-----END PRIVATE KEY-----\n": "client_key: the private key is damaged",
		} {
			h := minimalHandler()
			h.ClientSecret, h.ClientKey = "", raw
			_, err := h.resolve(caddy.NewReplacer())
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "czNjcjN0") {
				t.Errorf("error is %v, want %s", err, want)
			}
		}
	})
	t.Run("a URL with a password", func(t *testing.T) {
		for _, url := range []string{"https://a:" + secret + "@zoom.us", "https://a:" + secret + "%zz@zoom.us", "http://a:" + secret + "@zoom.us"} {
			h := minimalHandler()
			h.OAuthURL = url
			if _, err := h.resolve(caddy.NewReplacer()); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("error is %v", err)
			}
		}
	})
}

func TestFormattingHidesSecrets(t *testing.T) {
	const secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"
	h := minimalHandler()
	h.ClientSecret = secret
	h.MeetingSDK = &MeetingSDK{SDKSecret: secret}
	h.Webhook = &Webhook{SecretToken: []string{secret}}
	h.Backend = &Backend{Secret: []string{secret}}
	h.Cookie = &Cookie{Secret: []string{secret}}
	s := mustResolve(t, h)
	bytes := fmt.Sprint([]byte(secret))
	hex := fmt.Sprintf("%x", secret)
	if got := fmt.Sprint(h) + fmt.Sprint(s); got != "zoom_pkce handler[redacted]" {
		t.Errorf("printed as %q", got)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, printed := range []any{h, *h, s, *s, *s.meetingSDK, *s.webhook, *s.backend, s.cookie} {
			out := fmt.Sprintf(verb, printed)
			if strings.Contains(out, secret) || strings.Contains(out, bytes) || strings.Contains(out, hex) {
				t.Errorf("%s of %T prints the secret", verb, printed)
			}
		}
	}
}

func TestUnrecognizedSubdirectiveNamesTheNearest(t *testing.T) {
	for lines, want := range map[string]string{
		"redirect_url https://a.example/cb":   "subdirective 'redirect_url' (did you mean 'redirect_uri'?), at Caddyfile:3",
		"client_secert x":                     "(did you mean 'client_secret'?)",
		"cookie {\nsecrets x\n}":              "unrecognized cookie subdirective 'secrets' (did you mean 'secret'?), at Caddyfile:4",
		"session {\nstor caddy\n}":            "(did you mean 'store'?)",
		"callback_url x":                      "subdirective 'callback_url', at Caddyfile:3",
		"protekt x":                           "subdirective 'protekt', at",
		"zak {\ndisable\n}":                   "subdirective 'disable', at",
		"session {\nstore caddy {\nx y\n}\n}": "unrecognized caddy store subdirective 'x', at",
	} {
		_, err := adapt("example.com {\nzoom_pkce {\n" + lines + "\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %q, want %q in it", lines, err, want)
		}
	}
}
