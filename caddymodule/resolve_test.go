package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// minimalHandler has what is required and no more.
func minimalHandler() *Handler {
	return &Handler{
		ClientID:     "id",
		ClientSecret: "secret",
		RedirectURI:  []string{"https://app.example.com/zoom_pkce/callback"},
	}
}

func mustResolve(t *testing.T, h *Handler) *settings {
	t.Helper()
	s, err := h.resolve(caddy.NewReplacer())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResolveFillsInDefaults(t *testing.T) {
	s := mustResolve(t, minimalHandler())
	uri := "https://app.example.com/zoom_pkce/callback"
	tests := map[string]struct{ got, want any }{
		"client_id":     {s.clientID, "id"},
		"client_secret": {string(s.clientSecret), "secret"},
		"redirect_uri": {s.redirectURIs, []redirectURI{{
			raw: uri, uri: uri, origin: "https://app.example.com",
			host: "app.example.com", hostname: "app.example.com",
		}}},
		"callback path":   {s.callbackPath, "/zoom_pkce/callback"},
		"secure":          {s.secure, true},
		"oauth_url":       {s.oauthURL, "https://zoom.us"},
		"api_url":         {s.apiURL, "https://api.zoom.us"},
		"authorize_url":   {s.authorizeURL, "https://zoom.us/oauth/authorize"},
		"scopes":          {s.scopes, []string(nil)},
		"zoom_timeout":    {s.zoomTimeout, 10 * time.Second},
		"refresh_margin":  {s.refreshMargin, 5 * time.Minute},
		"path_prefix":     {s.pathPrefix, "/zoom_pkce"},
		"unauthenticated": {s.unauthenticated, redirectToZoom},
		"after_logout":    {s.afterLogout, ""},
		"keep_fragment":   {s.keepFragment, false},
		"error_pages":     {s.errorPages, true},
		"page_tokens":     {s.pageTokens, false},
		"allow":           {s.allow, (*allowRules)(nil)},
		"headers": {s.headers, headerSettings{
			accessToken: "X-Zoom-Access-Token", userID: "X-Zoom-User-Id", accountID: "X-Zoom-Account-Id",
			email: "X-Zoom-User-Email", name: "X-Zoom-User-Name",
		}},
		"zak":         {*s.zak, zakSettings{header: "X-Zoom-Zak", errorHeader: "X-Zoom-Zak-Error", maxAge: time.Minute}},
		"obf":         {s.obf, (*obfSettings)(nil)},
		"meeting_sdk": {s.meetingSDK, (*meetingSDKSettings)(nil)},
		"zoom_app":    {s.zoomApp, (*zoomAppSettings)(nil)},
		"webhook":     {s.webhook, (*webhookSettings)(nil)},
		"backend":     {s.backend, (*backendSettings)(nil)},
		"session": {s.session, sessionSettings{
			store: `{"module":"caddy"}`, idleTimeout: 24 * time.Hour, maxLifetime: 720 * time.Hour, syncInterval: 10 * time.Second,
			maxSessions: 50, cacheSize: 10_000,
		}},
		"cookie name":      {s.cookie.name, "zoom_pkce"},
		"cookie domain":    {s.cookie.domain, ""},
		"cookie same_site": {s.cookie.sameSite, http.SameSiteLaxMode},
		"cookie secure":    {s.cookie.secure, true},
		"cookie secret":    {s.cookie.secrets, [][]byte(nil)},
		"header names": {s.headerNames(), []string{
			"X-Zoom-Access-Token", "X-Zoom-User-Id", "X-Zoom-Account-Id", "X-Zoom-User-Email",
			"X-Zoom-User-Name", "X-Zoom-Zak", "X-Zoom-Zak-Error",
		}},
	}
	for name, test := range tests {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s: got %#v, want %#v", name, test.got, test.want)
		}
	}
}

func TestResolveAccepts(t *testing.T) {
	t.Setenv("ZOOM_SCOPES", "user:read:user user:read:zak")
	tests := map[string]struct {
		change func(*Handler)
		got    func(*settings) any
		want   any
	}{
		"a public client": {
			func(h *Handler) { h.ClientSecret = "" },
			func(s *settings) any { return s.clientSecret }, []byte(nil),
		},
		"the longest cookie name": {
			func(h *Handler) { h.Cookie = &Cookie{Name: strings.Repeat("a", 64), SameSite: "lax"} },
			func(s *settings) any {
				return fmt.Sprint(len(s.cookie.name), s.cookie.sameSite == http.SameSiteLaxMode)
			}, "64 true",
		},
		"a header for the program": {
			func(h *Handler) { h.Headers = &Headers{Client: &Header{Name: "x-client-09!"}} },
			func(s *settings) any { return s.headers.client }, "X-Client-09!",
		},
		"no header for the program": {
			func(h *Handler) { h.Headers = &Headers{Client: &Header{Disabled: true}} },
			func(s *settings) any { return s.headers.client }, "",
		},
		"one account and one user": {
			func(h *Handler) { h.Allow = &Allow{AccountID: []string{"a"}, UserID: []string{"u"}} },
			func(s *settings) any { return s.allow.match("a", "x", "") && s.allow.match("x", "u", "") }, true,
		},
		"an app of several client ids": {
			func(h *Handler) {
				h.Webhook = &Webhook{SecretToken: []string{"x"}, ClientID: []string{"public", "production"}, HandOn: true}
			},
			func(s *settings) any { return append(s.webhook.clientIDs, fmt.Sprint(s.webhook.handOn)) },
			[]string{"id", "public", "production", "true"},
		},
		"an app with a key": {
			func(h *Handler) { h.ClientSecret, h.ClientKey, h.ClientKeyID = "", testClientKey, "key-1" },
			func(s *settings) any { return []string{string(s.clientSecret), s.clientKey, s.clientKeyID} },
			[]string{"", testClientKey, "key-1"},
		},
		"a Zoom App with a key": {
			func(h *Handler) { h.ClientKey, h.ZoomApp = testClientKey, new(ZoomApp) },
			func(s *settings) any { return []string{string(s.clientSecret), s.clientKey} },
			[]string{"secret", testClientKey},
		},
		"escaped braces in a secret": {
			func(h *Handler) { h.ClientSecret = `pa\{ss\}word` },
			func(s *settings) any { return string(s.clientSecret) }, "pa{ss}word",
		},
		"several scopes in one placeholder": {
			func(h *Handler) { h.Scopes = []string{"{env.ZOOM_SCOPES}"} },
			func(s *settings) any { return s.scopes },
			[]string{"user:read:user", "user:read:zak"},
		},
		"Zoom for Government": {
			func(h *Handler) { h.OAuthURL = "https://ZoomGov.com:443/" },
			func(s *settings) any { return []string{s.oauthURL, s.apiURL, s.authorizeURL} },
			[]string{"https://zoomgov.com", "https://api.zoomgov.com", "https://zoomgov.com/oauth/authorize"},
		},
		"a simulated Zoom on loopback": {
			func(h *Handler) { h.OAuthURL = "http://127.0.0.1:9000" },
			func(s *settings) any { return []string{s.oauthURL, s.apiURL} },
			[]string{"http://127.0.0.1:9000", "http://127.0.0.1:9000"},
		},
		"a simulated Zoom by name":    {func(h *Handler) { h.OAuthURL = "http://localhost:9000" }, func(s *settings) any { return s.apiURL }, "http://localhost:9000"},
		"a simulated Zoom by address": {func(h *Handler) { h.OAuthURL = "https://192.0.2.1" }, func(s *settings) any { return s.apiURL }, "https://192.0.2.1"},
		"the last of a scope's signs": {func(h *Handler) { h.Scopes = []string{"a~"} }, func(s *settings) any { return s.scopes }, []string{"a~"}},
		"the life of programs":        {func(h *Handler) { h.Programs = &Programs{Registration: true} }, func(s *settings) any { return s.programs.life }, programsLife{30 * 24 * time.Hour, 365 * 24 * time.Hour, 20}},
		"short times": {
			func(h *Handler) {
				h.ZoomTimeout = caddy.Duration(500 * time.Millisecond)
				h.RefreshMargin = new(caddy.Duration(0))
				h.Session = &Session{
					IdleTimeout:  caddy.Duration(time.Second),
					SyncInterval: caddy.Duration(100 * time.Millisecond),
				}
			},
			func(s *settings) any {
				return []time.Duration{s.zoomTimeout, s.refreshMargin, s.session.idleTimeout, s.session.syncInterval}
			},
			[]time.Duration{500 * time.Millisecond, 0, time.Second, 100 * time.Millisecond},
		},
		"a maximum below the standard idle timeout": {
			func(h *Handler) { h.Session = &Session{MaxLifetime: caddy.Duration(time.Hour)} },
			func(s *settings) any { return s.session.idleTimeout }, time.Hour,
		},
		"a fresh ZAK for every request": {
			func(h *Handler) { h.ZAK = &ZAK{MaxAge: new(caddy.Duration(0))} },
			func(s *settings) any { return s.zak.maxAge }, time.Duration(0),
		},
		"an old ZAK of a long lifetime": {
			func(h *Handler) {
				h.ZAK = &ZAK{MaxAge: new(caddy.Duration(time.Hour)), Lifetime: caddy.Duration(2 * time.Hour)}
			},
			func(s *settings) any { return s.zak.maxAge }, time.Hour,
		},
		"a ZAK lifetime below the standard age": {
			func(h *Handler) { h.ZAK = &ZAK{Lifetime: caddy.Duration(30 * time.Second)} },
			func(s *settings) any { return s.zak.maxAge }, 30 * time.Second,
		},
		"a ZAK header with its error header": {
			func(h *Handler) { h.ZAK = &ZAK{Header: "x-zak"} },
			func(s *settings) any { return []string{s.zak.header, s.zak.errorHeader} },
			[]string{"X-Zak", "X-Zak-Error"},
		},
		"a bearer token": {
			func(h *Handler) {
				h.Headers = &Headers{AccessToken: &TokenHeader{Name: "authorization", Scheme: "Bearer"}}
			},
			func(s *settings) any { return []string{s.headers.accessToken, s.headers.tokenPrefix} },
			[]string{"Authorization", "Bearer "},
		},
		"all headers off": {
			func(h *Handler) {
				off := &Header{Disabled: true}
				h.Headers = &Headers{&TokenHeader{Disabled: true}, off, off, off, off, off}
				h.ZAK = &ZAK{Disabled: true}
			},
			func(s *settings) any { return s.headerNames() },
			[]string{},
		},
		"request placeholders in obf meeting_id": {
			func(h *Handler) { h.OBF = &OBF{MeetingID: "{http.request.uri.query.meeting}"} },
			func(s *settings) any { return *s.obf },
			obfSettings{meetingID: "{http.request.uri.query.meeting}", header: "X-Zoom-Obf"},
		},
		"the OBF header among those that are set": {
			func(h *Handler) { h.OBF = &OBF{MeetingID: "{x}", Header: "x-obf"} },
			func(s *settings) any { return slices.Contains(s.headerNames(), "X-Obf") }, true,
		},
		"a fixed meeting": {
			func(h *Handler) { h.OBF = &OBF{MeetingID: "123 4567-8901"} },
			func(s *settings) any { return s.obf.meetingID }, "123 4567-8901",
		},
		"the app's own key for the Meeting SDK": {
			func(h *Handler) { h.MeetingSDK = &MeetingSDK{Roles: []int{1, 0, 1}} },
			func(s *settings) any { return *s.meetingSDK },
			meetingSDKSettings{sdkKey: "id", sdkSecret: []byte("secret"), expiresIn: 2 * time.Hour, roles: []int{0, 1}},
		},
		"a key of its own for the Meeting SDK of a public client": {
			func(h *Handler) {
				h.ClientSecret = ""
				h.MeetingSDK = &MeetingSDK{SDKKey: "k", SDKSecret: "s", Roles: []int{0}}
			},
			func(s *settings) any { return *s.meetingSDK },
			meetingSDKSettings{sdkKey: "k", sdkSecret: []byte("s"), expiresIn: 2 * time.Hour, roles: []int{0}},
		},
		"hash routes of a Zoom App": {
			func(h *Handler) {
				h.ZoomApp = &ZoomApp{RedirectURI: []string{"https://app.example.com/proxy#/userinfo"}}
			},
			func(s *settings) any { return s.zoomApp.redirectURIs },
			[]string{"https://app.example.com/zoom_pkce/callback", "https://app.example.com/proxy#/userinfo"},
		},
		"a cookie domain above all hosts": {
			func(h *Handler) {
				h.RedirectURI = append(h.RedirectURI, "https://example.com/zoom_pkce/callback")
				h.Cookie = &Cookie{Domain: ".Example.com"}
			},
			func(s *settings) any { return s.cookie.domain }, "example.com",
		},
		"a cookie secret of raw bytes, once": {
			func(h *Handler) {
				raw := strings.Repeat("\x00\xff", 16)
				h.Cookie = &Cookie{Secret: []string{raw, raw}}
			},
			func(s *settings) any { return s.cookie.secrets },
			[][]byte{[]byte(strings.Repeat("\x00\xff", 16))},
		},
		"cookies for embedding sites": {
			func(h *Handler) { h.Cookie = &Cookie{SameSite: "none"} },
			func(s *settings) any { return s.cookie.sameSite }, http.SameSiteNoneMode,
		},
		"a landing page with a query": {
			func(h *Handler) { h.AfterLogout = "/bye?from=zoom#top" },
			func(s *settings) any { return s.afterLogout }, "/bye?from=zoom#top",
		},
		"a landing page elsewhere": {
			func(h *Handler) { h.AfterLogout = "https://www.example.com/" },
			func(s *settings) any { return s.afterLogout }, "https://www.example.com/",
		},
		"a path prefix": {
			func(h *Handler) { h.PathPrefix = "/_auth/zoom" },
			func(s *settings) any { return s.pathPrefix }, "/_auth/zoom",
		},
		"error pages off": {
			func(h *Handler) { h.ErrorPages = new(false) },
			func(s *settings) any { return s.errorPages }, false,
		},
	}
	for i, mode := range unauthenticatedValues {
		tests["unauthenticated "+mode] = struct {
			change func(*Handler)
			got    func(*settings) any
			want   any
		}{
			func(h *Handler) { h.Unauthenticated = mode },
			func(s *settings) any { return s.unauthenticated }, unauthenticated(i),
		}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := minimalHandler()
			test.change(h)
			if got := test.got(mustResolve(t, h)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestUnauthenticatedValuesKeepTheirOrder(t *testing.T) {
	want := map[string]unauthenticated{
		"redirect": redirectToZoom, "page": showSignInPage, "reject": rejectAlways, "pass": passWithoutIdentity,
	}
	for i, word := range unauthenticatedValues {
		if want[word] != unauthenticated(i) {
			t.Errorf("%s resolves to %d, want %d", word, i, want[word])
		}
	}
}

func TestJSONOfTheContract(t *testing.T) {
	const document = `{
		"protect": [{"path": ["/app/*"]}],
		"zak": {"disabled": true, "match": [{"path": ["/m/*"]}]},
		"headers": {
			"user_id": {"disabled": true},
			"access_token": {"name": "Authorization", "scheme": "Bearer"}
		},
		"zoom_timeout": "3s",
		"refresh_margin": "1d",
		"keep_fragment": true,
		"error_pages": false,
		"session": {"store": {"module": "redis", "urls": ["redis://localhost"]}},
		"meeting_sdk": {},
		"zoom_app": {}
	}`
	h := new(Handler)
	if err := caddy.StrictUnmarshalJSON([]byte(document), h); err != nil {
		t.Fatal(err)
	}
	want := &Handler{
		Protect: caddyhttp.RawMatcherSets{{"path": json.RawMessage(`["/app/*"]`)}},
		ZAK:     &ZAK{Disabled: true, Match: caddyhttp.RawMatcherSets{{"path": json.RawMessage(`["/m/*"]`)}}},
		Headers: &Headers{
			UserID:      &Header{Disabled: true},
			AccessToken: &TokenHeader{Name: "Authorization", Scheme: "Bearer"},
		},
		ZoomTimeout:   caddy.Duration(3 * time.Second),
		RefreshMargin: new(caddy.Duration(24 * time.Hour)),
		KeepFragment:  true,
		ErrorPages:    new(false),
		Session:       &Session{StoreRaw: json.RawMessage(`{"module": "redis", "urls": ["redis://localhost"]}`)},
		MeetingSDK:    new(MeetingSDK),
		ZoomApp:       new(ZoomApp),
	}
	if !reflect.DeepEqual(h, want) {
		got, _ := json.Marshal(h)
		t.Errorf("decoded to %s", got)
	}
	if err := caddy.StrictUnmarshalJSON([]byte(`{"redirect_url": "x"}`), new(Handler)); err == nil {
		t.Error("a misspelt key is accepted")
	}
}

func TestAllowMatch(t *testing.T) {
	h := minimalHandler()
	h.Allow = &Allow{
		AccountID:   []string{"Acc1"},
		UserID:      []string{"User1"},
		Email:       []string{"Ann@Example.com", "Kate@example.com", "jörg@example.com"},
		EmailDomain: []string{"Company.com", "kompany.com"},
	}
	rules := mustResolve(t, h).allow
	tests := map[string]struct {
		account, user, email string
		want                 bool
	}{
		"an account":                  {"Acc1", "x", "", true},
		"a user":                      {"x", "User1", "", true},
		"an address in other case":    {"x", "x", "aNN@example.COM", true},
		"a domain in other case":      {"x", "x", "bob@COMPANY.com", true},
		"nobody":                      {"x", "x", "bob@example.com", false},
		"no verified address":         {"x", "x", "", false},
		"a Kelvin sign for a k":       {"x", "x", "\u212Aate@example.com", false},
		"a Kelvin sign in a domain":   {"x", "x", "bob@\u212Aompany.com", false},
		"letters that are no ASCII":   {"x", "x", "JÖRG@example.com", false},
		"the same letters":            {"x", "x", "JöRG@example.com", true},
		"ids in other case":           {"acc1", "user1", "", false},
		"a subdomain":                 {"x", "x", "bob@eu.company.com", false},
		"a domain that ends alike":    {"x", "x", "bob@mycompany.com", false},
		"GHSA-c5c4-8r6x-56w3":         {"x", "x", "attacker@evil.com@company.com", false},
		"an address without a name":   {"x", "x", "@company.com", false},
		"a domain as address":         {"x", "x", "company.com", false},
		"empty ids match no entry":    {"", "", "", false},
		"a user id as the account id": {"User1", "Acc1", "", false},
	}
	for name, test := range tests {
		if got := rules.match(test.account, test.user, test.email); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	var everybody *allowRules
	if !everybody.match("x", "x", "") {
		t.Error("without allow somebody is refused")
	}
}
