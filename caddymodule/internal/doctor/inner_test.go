package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/routes"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// brokenWriter is a terminal that is gone.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestKeysThatNobodyReads(t *testing.T) {
	for _, args := range [][]string{{"keygen"}, {"keygen", "--client-key"}} {
		cmd := &cobra.Command{Use: "zoom-pkce", SilenceErrors: true, SilenceUsage: true}
		Command(Module{}).CobraFunc(cmd)
		cmd.SetArgs(args)
		cmd.SetOut(brokenWriter{})
		cmd.SetErr(io.Discard)
		if err := cmd.Execute(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := publicKey("no key", ""); err == nil {
		t.Error("what is no key has a public one")
	}
}

func TestSuggestions(t *testing.T) {
	for word, near := range map[string]bool{"kxxgen": true, "kxxxen": false} {
		cmd := &cobra.Command{Use: "zoom-pkce", SilenceErrors: true, SilenceUsage: true}
		Command(Module{}).CobraFunc(cmd)
		cmd.SetArgs([]string{word})
		if err := cmd.Execute(); err == nil || strings.Contains(err.Error(), "did you mean") != near {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// Each handler is looked at, whatever those before it have.
func TestEveryHandlerCounts(t *testing.T) {
	without, weak := &Site{Route: new(routes.Site)}, &Site{Route: new(routes.Site), BackendSecrets: [][]byte{[]byte("password-password-password-password")}}
	if got := (&doctor{}).backendFindings(new(caddyhttp.App), []*Site{without, weak}); len(got) != 1 || got[0].Status != verdictFail {
		t.Errorf("got %+v", got)
	}
	loaded := &loadedConfig{apps: [][]*Site{{without, weak}, {without}}}
	if got := loaded.summary().Message; got != "loads; zoom_pkce stands in it 3 times, for 2 Zoom apps, which do not clash in any site (`caddy validate` cannot see that)" {
		t.Errorf("got %s", got)
	}
	loaded.apps = loaded.apps[1:]
	if got := loaded.summary().Message; got != "loads; zoom_pkce stands in it 1 time, for 1 Zoom app" {
		t.Errorf("got %s", got)
	}
}

// JSON is for people as well: indented, and with its signs as they are.
func TestPrintedJSON(t *testing.T) {
	var out bytes.Buffer
	d := doctor{config: filepath.Join(t.TempDir(), "a<b>&c.json"), json: true}
	if err := d.run(t.Context(), &out); !errors.Is(err, errUnhealthy) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "\n  \"checks\": [") || !strings.Contains(out.String(), "a<b>&c.json") {
		t.Errorf("printed %s", out.String())
	}
	for _, d.json = range []bool{true, false} {
		if err := d.run(t.Context(), brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("read by nobody: %v", err)
		}
	}
}

func TestPrintedText(t *testing.T) {
	var out bytes.Buffer
	d := diagnosis{OK: true, User: "ada", Checks: []finding{
		{Check: "configuration", Status: verdictOK, Message: "loads"},
		{ClientID: "A", Check: "scopes", Status: verdictSkipped, Message: "the app needs", Values: []string{"a"}, Advice: "compare"},
		{ClientID: "A", Check: "redirect_uris", Status: verdictWarn, Message: "these", Values: []string{"b", "c"}},
		{ClientID: "B", Check: "clock", Status: verdictFail, Message: "is behind", Advice: "mend it"},
	}}
	if err := d.print(&out); err != nil {
		t.Fatal(err)
	}
	const want = `ok       configuration  loads

Zoom app A
skipped  scopes         the app needs: a -> compare
warn     redirect_uris  these: b c

Zoom app B
fail     clock          is behind -> mend it

nothing failed (checked as ada)
`
	if out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
	if got := oneLine("a\nb\r\nc\rd"); got != "a; b; c; d" {
		t.Errorf("on one line: %q", got)
	}
}

// A secret counts as written into the configuration in any zoom_pkce, and nowhere else.
func TestLiteralSecrets(t *testing.T) {
	loaded := &loadedConfig{raw: []byte(`{"apps": {"http": {"secret": "of another", "routes": [
		{"handle": [{"handler": "other", "client_secret": "x"}]},
		{"handle": [{"handler": "subroute", "routes": [{"handler": "zoom_pkce", "client_secret": "{env.A}", "client_id": "b",
			"sdk_secret": " ", "cookie": {"secret": ["{file./a}", "c"]}}]}]}
	]}}}`)}
	if got := loaded.literalSecrets(); got.Status != verdictWarn || len(got.Values) != 1 || got.Values[0] != "secret" {
		t.Errorf("got %+v", got)
	}
	loaded.raw = bytes.ReplaceAll(loaded.raw, []byte(`"c"`), []byte(`"{env.C}"`))
	if got := loaded.literalSecrets(); got.Status != verdictOK || len(got.Values) != 0 {
		t.Errorf("got %+v", got)
	}
	for store, want := range map[string]string{
		`"password": "p", "urls": ["redis://h"]`:                                                                                  "[password]",
		`"password": "{env.P}", "urls": ["redis://user:p@h"]`:                                                                     "[urls]",
		`"password": "{env.P}", "urls": ["redis://h", "redis://:p@{env.H}"]`:                                                      "[urls]",
		`"urls": ["redis://u:{file./run/p}@h", "{env.URL}", "redis://u@h", "redis://h/%zz"], "username": "u", "master_name": "m"`: "[]",
	} {
		loaded.raw = []byte(`{"handler": "zoom_pkce", "session": {"store": {"module": "redis", ` + store + `}}}`)
		if got := loaded.literalSecrets(); fmt.Sprint(got.Values) != want {
			t.Errorf("%s: %+v", store, got)
		}
	}
}

// storeWith answers for a store in one of four calls.
type storeWith struct {
	zoompkce.Store
	swaps int
	key   string
	swap  func(nth int, version string, err error) (string, error)
	load  func(value []byte, version string, err error) ([]byte, string, error)
}

func (s *storeWith) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	version, err := s.Store.Swap(ctx, key, old, value, expires)
	s.key = key
	if s.swaps++; s.swap != nil {
		return s.swap(s.swaps, version, err)
	}
	return version, err
}

func (s *storeWith) Load(ctx context.Context, key string) ([]byte, string, error) {
	value, version, err := s.Store.Load(ctx, key)
	if s.load != nil {
		return s.load(value, version, err)
	}
	return value, version, err
}

// Each way in which a store can fail sessions is told.
func TestStoresThatDoNotDo(t *testing.T) {
	failAt := func(n int) func(int, string, error) (string, error) {
		return func(nth int, version string, err error) (string, error) {
			if nth == n {
				return "", errors.New("down")
			}
			return version, err
		}
	}
	for want, store := range map[string]*storeWith{
		"":                         {},
		"writing a record: down":   {swap: failAt(1)},
		"replacing a record: down": {swap: failAt(2)},
		"the store replaces a record that somebody else has changed": {
			swap: func(int, string, error) (string, error) { return "v", nil },
			load: func(value []byte, _ string, err error) ([]byte, string, error) { return value, "v", err },
		},
		"reading a record back: down": {load: func([]byte, string, error) ([]byte, string, error) { return nil, "", errors.New("down") }},
		"reading a record back gives something else": {load: func(_ []byte, version string, err error) ([]byte, string, error) {
			return []byte("else"), version, err
		}},
	} {
		store.Store = memstore.New()
		if err := exercise(t.Context(), store, "1a2b3c4d"); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if !strings.HasPrefix(store.key, "zoom_pkce/1a2b3c4d/") || !storecall.IsUserKey(store.key) {
			t.Errorf("no sweep would find %s", store.key)
		}
	}
	other := &storeWith{load: func(value []byte, _ string, err error) ([]byte, string, error) { return value, "another", err }}
	other.Store = memstore.New()
	if err := exercise(t.Context(), other, "1a2b3c4d"); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("another version: %v", err)
	}
}

// named is a store that is a module of Caddy's.
type named struct{ zoompkce.Store }

func (named) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: "zoom_pkce.stores.tape"} }

type onFiles struct {
	zoompkce.Store
	storage certmagic.Storage
}

func (s onFiles) Storage() certmagic.Storage { return s.storage }

func TestStoreNames(t *testing.T) {
	for want, store := range map[string]zoompkce.Store{
		"session store tape":                            named{},
		"session store caddy in /var/lib/caddy":         onFiles{storage: &certmagic.FileStorage{Path: "/var/lib/caddy"}},
		"session store caddy on *doctor.strangeStorage": onFiles{storage: new(strangeStorage)},
		"session store *memstore.Store":                 memstore.New(),
	} {
		if got := storeName(store); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if path, owner := foreignDirectory(store); owner != "" && path == "" {
			t.Errorf("%s belongs to %s", want, owner)
		}
	}
	if path, owner := foreignDirectory(onFiles{storage: &certmagic.FileStorage{Path: filepath.Join(t.TempDir(), "a", "b")}}); path != "" || owner != "" {
		t.Errorf("%s belongs to %s", path, owner)
	}
	if got := userName(2_000_000_000); got != "user id 2000000000" {
		t.Errorf("got %s", got)
	}
}

type strangeStorage struct{ certmagic.Storage }

// The clock is judged by the middle of the exchange and the middle of Zoom's second.
func TestClock(t *testing.T) {
	site := &Site{}
	for ahead, want := range map[time.Duration]finding{
		0:                 {Status: verdictOK, Message: "agrees with Zoom's"},
		2 * time.Second:   {Status: verdictOK, Message: "agrees with Zoom's"},
		-3 * time.Second:  {Status: verdictOK, Message: "is 3s behind Zoom's, which does no harm"},
		30 * time.Second:  {Status: verdictOK, Message: "is 30s ahead of Zoom's, which does no harm"},
		31 * time.Second:  {Status: verdictFail, Message: "is 31s ahead of Zoom's"},
		-31 * time.Second: {Status: verdictFail, Message: "is 31s behind Zoom's"},
	} {
		got := (&clockWatch{heard: true, dated: true, ahead: ahead}).finding(site)
		if got.Status != want.Status || got.Message != want.Message {
			t.Errorf("%v: %+v", ahead, got)
		}
	}
	if got := new(clockWatch).finding(site); got.Status != verdictSkipped || got.Message != "not checked: Zoom did not answer" {
		t.Errorf("unheard: %+v", got)
	}
	if got := (&clockWatch{heard: true}).finding(site); got.Status != verdictSkipped || got.Message != "not checked: the answer has no date" {
		t.Errorf("undated: %+v", got)
	}
}

func TestClockOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &clockWatch{base: zoomtest.NewTransport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			time.Sleep(2 * time.Second)
		}))}
		resp, err := (&http.Client{Transport: watch}).Get("https://zoom.test/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !watch.heard || !watch.dated || watch.ahead != -500*time.Millisecond {
			t.Errorf("heard: %t, dated: %t, ahead by %v", watch.heard, watch.dated, watch.ahead)
		}
	})
}

func TestAuthorizationPages(t *testing.T) {
	far := strings.Repeat("x", 985) // a thousand characters are looked at
	for body, want := range map[string]pageAnswer{
		`{"errorCode":4700,"errorMessage":"Invalid redirect: x"}`: pageRefusesRedirect,
		`{"errorCode":1,"errorMessage":"Invalid scope"}`:          pageRefusesScopes,
		`{"errorCode":4700,"errorMessage":"no"}`:                  pageRefusesSomething,
		`{"errorCode":0,"errorMessage":"Invalid redirect"}`:       pageSilent,
		`<p>Invalid redirect (4,700)`:                             pageRefusesRedirect,
		`<p>nvalid redirect` + far + `(4,700)`:                    pageRefusesSomething,
		`<p>Invalid redirect` + far[1:] + `(4,700)`:               pageRefusesRedirect,
		`<p>Invalid redirect` + far + `(4,700)`:                   pageRefusesSomething,
		`(4,700)`:                                                 pageRefusesSomething,
		`<p>Invalid redirect`:                                     pageSilent,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/json" {
				t.Errorf("headers: %v", r.Header)
			}
			_, _ = io.WriteString(w, body)
		}))
		if got := askPage(t.Context(), server.Client(), server.URL, time.Minute); got != want {
			t.Errorf("%.60s: %q", body, got)
		}
		server.Close()
		if got := askPage(t.Context(), server.Client(), server.URL, time.Minute); got != pageSilent {
			t.Errorf("of a server that is gone: %q", got)
		}
	}
	cut := httptest.NewServer(zoomtest.Status(http.StatusOK, `{"errorCode":4700,"errorMessage":"Invalid redirect"}`, "Content-Length", "1000"))
	defer cut.Close()
	if got := askPage(t.Context(), cut.Client(), cut.URL, time.Minute); got != pageSilent {
		t.Errorf("of an answer that breaks off: %q", got)
	}
	if got := askPage(t.Context(), http.DefaultClient, ":", time.Minute); got != pageSilent {
		t.Errorf("of what is no address: %q", got)
	}
}

// What Zoom's page says of the URIs is what the finding says.
func TestRedirectURIFinding(t *testing.T) {
	site := &Site{RedirectURIs: []string{"https://a.example/cb", "https://b.example/cb"}}
	find := func(pages map[string]pageAnswer) finding {
		return redirectURIFinding([]*Site{site}, zoomProbe{page: pages})
	}
	if got := find(map[string]pageAnswer{"https://b.example/cb": pageRefusesRedirect}); got.Status != verdictFail || got.Message != "Zoom does not know" ||
		len(got.Values) != 1 || got.Values[0] != "https://b.example/cb" {
		t.Errorf("refused: %+v", got)
	}
	if got := find(map[string]pageAnswer{"https://a.example/cb": pageRefusesSomething}); got.Status != verdictWarn || len(got.Values) != 2 {
		t.Errorf("refused for something: %+v", got)
	}
	if got := find(nil); got.Status != verdictSkipped || len(got.Values) != 2 {
		t.Errorf("silent: %+v", got)
	}
	site.LoginURL = "https://a.example/login"
	for status, open := range map[verdict]bool{verdictOK: true, verdictFail: false} {
		got := redirectURIFinding([]*Site{site}, zoomProbe{credentials: finding{Status: status}})
		if strings.Contains(got.Advice, "open https://a.example/login,") != open {
			t.Errorf("credentials %s: %s", status, got.Advice)
		}
	}
}

func TestCredentialsOfPublicClients(t *testing.T) {
	public := &Site{}
	public.Zoom.ClientID = "a"
	secret := &Site{}
	secret.Zoom.ClientSecret = "s"
	accepted, refused := &zoomapi.Error{Kind: zoomapi.KindInvalidGrant}, &zoomapi.Error{Kind: zoomapi.KindInvalidClient, TrackingID: "WEB_1"}
	for _, tt := range []struct {
		site    *Site
		err     error
		message string
	}{
		{public, accepted, "Zoom accepts client_id as a public client"},
		{public, refused, "Zoom does not accept client_id as a public client; Zoom's tracking id is WEB_1"},
		{secret, accepted, "Zoom accepts client_id and client_secret"},
		{secret, refused, "Zoom does not accept client_id and client_secret; Zoom's tracking id is WEB_1"},
		{secret, &zoomapi.Error{Kind: zoomapi.KindInvalidClient}, "Zoom does not accept client_id and client_secret"},
		{secret, &zoomapi.Error{Kind: zoomapi.KindRedirectMismatch}, "Zoom accepts client_id and client_secret"},
	} {
		if got := credentialFinding(tt.site, tt.err); got.Message != tt.message {
			t.Errorf("got %q, want %q", got.Message, tt.message)
		}
	}
}
