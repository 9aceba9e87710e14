package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "rewrite the JSON of the golden files in testdata/adapt")

// goldenSeparator is the line between Caddyfile and expectation, as in Caddy's
// own adapt tests.
const goldenSeparator = "----------\n"

// TestAdapt compares what Caddyfiles are adapted to: a golden file holds a
// Caddyfile, a line of ten dashes, and the JSON or a part of the error message.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".caddyfiletest")
		t.Run(name, func(t *testing.T) {
			input, want := readGolden(t, file)
			adapter := caddyconfig.GetAdapter("caddyfile")
			adapted, warnings, err := adapter.Adapt([]byte(input), nil)
			if isError := strings.HasPrefix(name, "error_"); isError {
				switch {
				case err == nil:
					t.Errorf("adapted to %s, want an error that contains %q", adapted, want)
				case want == "" || !strings.Contains(err.Error(), want):
					t.Errorf("error %q does not contain %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatalf("adapting: %v", err)
			}
			for _, warning := range warnings {
				t.Errorf("warning: %s", warning.String())
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
				t.Fatal(err)
			}
			if got := indented.String(); got != want {
				if *update {
					writeGolden(t, file, input, got)
					return
				}
				t.Errorf("adapted to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func readGolden(tb testing.TB, file string) (input, want string) {
	tb.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	input, want, found := strings.Cut(string(content), goldenSeparator)
	if !found {
		tb.Fatalf("%s has no line of ten dashes", file)
	}
	return input, strings.TrimSpace(want)
}

func writeGolden(t *testing.T, file, input, output string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(input+goldenSeparator+output+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every grammar mistake names the place, and none repeats what may be a secret.
func TestAdaptErrorsNamePlaceButNoSecret(t *testing.T) {
	const secret = "s3cr3t"
	tests := map[string]string{
		"client_secret with spaces":  "client_secret my " + secret,
		"client_secret twice":        "client_secret " + secret + "\nclient_secret " + secret,
		"client_secret with a block": "client_secret " + secret + " {\n}",
		"sdk_secret with spaces":     "meeting_sdk {\nsdk_secret my " + secret + "\n}",
		"cookie secret empty":        "cookie {\nsecret " + secret + " \"\"\n}",
		"backend secret empty":       "backend {\nsecret \"\" " + secret + "\n}",
		"webhook token empty":        "webhook {\nsecret_token \"\" " + secret + "\n}",
	}
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(
				[]byte("example.com {\nzoom_pkce {\n"+lines+"\n}\n}\n"), nil)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q contains the secret", err)
			}
			if !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("error %q does not name file and line", err)
			}
		})
	}
}

func TestEveryDirectiveBlockHasErrorGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/error_*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range syntaxPaths(t) {
		prefix := "error_" + strings.ReplaceAll(path, ".", "_")
		found := false
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".caddyfiletest")
			found = found || name == prefix || strings.HasPrefix(name, prefix+"_")
		}
		if !found {
			t.Errorf("no golden file %s*.caddyfiletest", prefix)
		}
	}
}

// goldenEnvironment sets the variables that the golden files use.
func goldenEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "ZOOM_SDK_SECRET", "ZOOM_WEBHOOK_TOKEN", "ZOOM_WEBHOOK_TOKEN_OLD",
		"BACKEND_SECRET", "BACKEND_SECRET_OLD",
		"COOKIE_SECRET", "COOKIE_SECRET_OLD", "NEW_SECRET",
	} {
		t.Setenv(name, "for-tests-only-"+strings.Repeat(name, 3))
	}
	t.Setenv("ZOOM_CLIENT_KEY", testClientKey)
	t.Setenv("ZOOM_UNAUTHENTICATED", "reject")
	t.Setenv("SAME_SITE", "lax")
}

func TestGoldenFilesResolve(t *testing.T) {
	goldenEnvironment(t)
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	resolved := 0
	for _, file := range files {
		_, golden := readGolden(t, file)
		if !strings.HasPrefix(golden, "{") {
			continue
		}
		var config any
		if err := json.Unmarshal([]byte(golden), &config); err != nil {
			t.Fatal(err)
		}
		forEachHandler(config, func(object map[string]any) {
			delete(object, "handler")
			raw, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			h := new(Handler)
			if err := caddy.StrictUnmarshalJSON(raw, h); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if _, err := h.resolve(caddy.NewReplacer()); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			resolved++
		})
	}
	if resolved < 10 {
		t.Errorf("resolved only %d handlers", resolved)
	}
}

// goldenStore stands for a session store with arguments and a block.
type goldenStore struct {
	URLs   []string `json:"urls,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
}

func init() { caddy.RegisterModule(goldenStore{}) }

func (goldenStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  storeNamespace + ".golden",
		New: func() caddy.Module { return new(goldenStore) },
	}
}

func (s *goldenStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	s.URLs = d.RemainingArgs()
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "prefix" || !d.AllArgs(&s.Prefix) {
			return d.Errf("golden store cannot read '%s'", d.Val())
		}
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*goldenStore)(nil)

// Neither adapting nor validating a configuration needs a Redis.
func TestRedisStoreInASite(t *testing.T) {
	const input = `{
	admin off
	storage file_system {$TEST_STORAGE_DIR}
}
http://127.0.0.1:0 {
	zoom_pkce {
		client_id id
		redirect_uri http://127.0.0.1/zoom_pkce/callback
		session {
			store redis redis://127.0.0.1:1 {
				password {env.TEST_REDIS_PASSWORD}
			}
			idle_timeout 1h
		}
	}
}
`
	t.Setenv("TEST_STORAGE_DIR", t.TempDir())
	t.Setenv("TEST_REDIS_PASSWORD", "hunter2")
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `"store":{"module":"redis","password":"{env.TEST_REDIS_PASSWORD}","urls":["redis://127.0.0.1:1"]}`
	if !strings.Contains(string(adapted), want) {
		t.Errorf("got %s", adapted)
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(adapted, config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err != nil {
		t.Error(err)
	}
}

// FuzzCaddyfile checks that the parser panics on no input, and that whatever it
// accepts survives the way through JSON, which is what Caddy loads.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		f.Add(directiveTokens(f, file))
	}
	f.Add([]byte("zoom_pkce"))
	f.Add([]byte("zoom_pkce {\nzak {\nmatch `path('/a')`\n}\n}"))
	f.Add([]byte("zoom_pkce {\ncookie {"))

	f.Fuzz(func(t *testing.T, input []byte) {
		tokens, err := caddyfile.Tokenize(input, "Caddyfile")
		if err != nil {
			return
		}
		h := new(Handler)
		if err := h.unmarshalCaddyfile(httpcaddyfile.Helper{Dispenser: caddyfile.NewDispenser(tokens)}); err != nil {
			return
		}
		first, err := json.Marshal(h)
		if err != nil {
			t.Fatalf("accepted, but not writable: %v", err)
		}
		decoded := new(Handler)
		if err := caddy.StrictUnmarshalJSON(first, decoded); err != nil {
			t.Fatalf("%s does not load: %v", first, err)
		}
		second, err := json.Marshal(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Fatalf("%s became %s", first, second)
		}
		// Neither may any value that the parser accepts break the checks.
		_, _ = h.resolve(caddy.NewEmptyReplacer())
	})
}

// directiveTokens cuts the first zoom_pkce directive out of a golden file.
func directiveTokens(f *testing.F, file string) []byte {
	f.Helper()
	golden, _ := readGolden(f, file)
	input := []byte(golden)
	start := bytes.Index(input, []byte(directive))
	depth := 0
	for i, c := range input[start:] {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 && bytes.HasPrefix(input[start+i+1:], []byte("\n")) {
				return input[start : start+i+1]
			}
		}
	}
	return input[start:]
}

// What is at a limit is inside it, and a key needs no id.
func TestLimitsAreInside(t *testing.T) {
	t.Setenv("ZOOM_CLIENT_KEY", testClientKey)
	secret := strings.Repeat("x", minSecretSize)
	for _, lines := range []string{
		"zoom_timeout 5m",
		"refresh_margin 0",
		"zak {\nmax_age 4m\n}",
		"zak {\nlifetime 365d\nmax_age 365d\n}",
		"zak {\nlifetime 1s\n}",
		"obf {\nmeeting_id {x}\nmax_age 2h\n}",
		"obf {\nmeeting_id {x}\nlifetime 1h\nmax_age 1h\n}",
		"obf {\nmeeting_id 123-456-789\n}",
		"meeting_sdk {\nexpires_in 30m\n}",
		"meeting_sdk {\nexpires_in 48h\n}",
		"session {\nmax_lifetime 400d\nsync_interval 24h\nmax_sessions 1000\ncache_size 10000000\n}",
		"programs {\nregistration on\nmax_lifetime 3650d\nmax_programs 1000\n}",
		"programs {\nregistration on\ntoken_lifetime 1s\nidle_timeout 1s\n}",
		"programs {\nregistration on\nredirect_hosts a.example b.example:1 c.example:65535\n}",
		"programs {\nclient_documents\n}",
		"backend {\nsecret " + secret + "\n}",
		"backend {\nsecret " + secret + "\nkeep_grants 0\n}",
		"cookie {\nsecret " + secret + "\nname " + strings.Repeat("n", maxCookieName) + "\n}",
		"cookie {\ndomain example.com\n}",
		"scopes ! # [ ] ~",
	} {
		if err := resolveLines(t, "client_secret s\n"+lines); err != nil {
			t.Errorf("%s: %v", lines, err)
		}
	}
	if err := resolveLines(t, "client_key {env.ZOOM_CLIENT_KEY}"); err != nil {
		t.Errorf("a key without an id: %v", err)
	}
	const keyed = "client_key {env.ZOOM_CLIENT_KEY}\nmeeting_sdk {\nsdk_key k\n"
	if half, whole := resolveLines(t, keyed+"}"), resolveLines(t, keyed+"sdk_secret s\n}"); half == nil || whole != nil {
		t.Errorf("an SDK key without its secret: %v, with it: %v", half, whole)
	}
	if adapted, err := adapt("example.com {\nzoom_pkce {\nclient_key k\n}\n}"); err != nil || !strings.Contains(string(adapted), `"client_key":"k"`) {
		t.Errorf("%s, %v", adapted, err)
	}
	for lines, want := range map[string]string{
		"zoom_timeout 5m1ms":                                                                                          "zoom_timeout",
		"session {\nmax_sessions 1001\n}":                                                                             "session max_sessions",
		"session {\ncache_size 10000001\n}":                                                                           "session cache_size",
		"programs {\nregistration on\nmax_programs 1001\n}":                                                           "programs max_programs",
		"programs {\nregistration on\ntoken_lifetime 999ms\nidle_timeout 1s\n}":                                       "programs token_lifetime",
		"programs {\nregistration on\nmax_lifetime 30m\n}":                                                            "programs idle_timeout",
		"programs {\nregistration on\nredirect_hosts c.example:65536\n}":                                              "programs redirect_hosts",
		"programs {\nregistration on\nredirect_hosts c.example:0\n}":                                                  "programs redirect_hosts",
		"programs {\nclient_documents -x.example\n}":                                                                  "programs client_documents",
		"programs {\nclient cli http://127.0.0.1/ {\nname \"  \"\n}\n}":                                               "programs client cli name",
		"redirect_uri https://app.example.com/.well-known/oauth-authorization-server\nprograms {\nregistration on\n}": "redirect_uri",
		"scopes a\\b": "scopes",
	} {
		if err := resolveLines(t, "client_secret s\n"+lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", lines, err, want)
		}
	}
}

// resolveLines resolves a directive with further lines.
func resolveLines(t *testing.T, lines string) error {
	t.Helper()
	text := "zoom_pkce {\nclient_id id\n" + lines + "\n"
	if !strings.Contains(lines, "redirect_uri https") {
		text += "redirect_uri https://app.example.com/zoom_pkce/callback\n"
	}
	tokens, err := caddyfile.Tokenize([]byte(text+"}"), "Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	h := new(Handler)
	if err := h.unmarshalCaddyfile(httpcaddyfile.Helper{Dispenser: caddyfile.NewDispenser(tokens)}); err != nil {
		t.Fatalf("%s: %v", lines, err)
	}
	_, err = h.resolve(caddy.NewReplacer())
	return err
}
