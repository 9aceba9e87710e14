package logformat_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
)

// adapted is the JSON of a Caddyfile.
func adapted(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

func TestCaddyfile(t *testing.T) {
	for format, want := range map[string]string{
		"zoom_pkce":                                        `{"format":"zoom_pkce"}`,
		"zoom_pkce console":                                `{"format":"zoom_pkce","wrap":{"format":"console"}}`,
		"zoom_pkce json {\ntime_format wall\n}":            `{"format":"zoom_pkce","wrap":{"format":"json","time_format":"wall"}}`,
		"zoom_pkce {\nwrap json {\ntime_format wall\n}\n}": `{"format":"zoom_pkce","wrap":{"format":"json","time_format":"wall"}}`,
		"zoom_pkce filter {\nwrap console\nuri delete\n}":  `{"fields":{"uri":{"filter":"delete"}},"format":"filter","wrap":{"format":"console"}}`,
		"filter {\nwrap zoom_pkce console\nuri delete\n}":  `"wrap":{"format":"zoom_pkce","wrap":{"format":"console"}}`,
		"zoom_pkce {\n}":                                   `{"format":"zoom_pkce"}`,
		"zoom_pkce nonsense":                               "error: getting module named 'caddy.logging.encoders.nonsense'",
		"zoom_pkce not_an_encoder":                         "error: module caddy.logging.encoders.not_an_encoder (*logformat_test.notanencoder) is not a zapcore.encoder",
		"zoom_pkce {\nwrap nonsense\n}":                    "error: getting module named 'caddy.logging.encoders.nonsense'",
		"zoom_pkce json console":                           "error: wrong argument count",
		"zoom_pkce {\nwrap\n}":                             "error: wrong argument count",
		"zoom_pkce {\nwrap json\nwrap json\n}":             "error: wrap is already specified",
		"zoom_pkce {\nunwrap json\n}":                      "error: unrecognized subdirective unwrap",
	} {
		got, err := adapted("{\nlog {\nformat " + format + "\n}\n}\n")
		if err != nil {
			got = []byte("error: " + strings.ToLower(err.Error()))
		}
		wantError, isError := strings.CutPrefix(want, "error: ")
		if !strings.Contains(string(got), strings.ToLower(wantError)) || isError != (err != nil) {
			t.Errorf("format %s:\ngot  %s\nwant %s", format, got, want)
		}
		if used, err := logformat.ConfiguredIn(got); !isError && (!used || err != nil) {
			t.Errorf("format %s: is not found in the configuration: %v", format, err)
		}
	}
}

func TestConfiguredIn(t *testing.T) {
	for config, want := range map[string]bool{
		`{}`:                                    false,
		`{"logging":null}`:                      false,
		`{"logging":{"logs":{"default":null}}}`: false,
		`{"logging":{"logs":{"default":{"encoder":{"format":"json"}}}}}`:                                        false,
		`{"logging":{"logs":{"default":{"encoder":{"format":"filter","wrap":{"format":"console"}}}}}}`:          false,
		`{"logging":{"logs":{"default":{"encoder":{"format":"json"}},"b":{"encoder":{"format":"zoom_pkce"}}}}}`: true,
	} {
		if got, err := logformat.ConfiguredIn([]byte(config)); got != want || err != nil {
			t.Errorf("%s: %v, %v", config, got, err)
		}
	}
	if got, err := logformat.ConfiguredIn([]byte(`{"logging":{"logs":{"default":{"encoder":"zoom_pkce"}}}}`)); got || err != nil {
		t.Errorf("an encoder that Caddy refuses: %v, %v", got, err)
	}
	if _, err := logformat.ConfiguredIn([]byte("caddyfile")); err == nil {
		t.Error("text that is no JSON was taken for a configuration")
	}
	if logformat.Configured(nil) {
		t.Error("found in no logs at all")
	}
}

// Each log that can show a request has to have the format.
func TestWithout(t *testing.T) {
	for config, want := range map[string]string{
		``:                           "default",
		"log {\nformat zoom_pkce\n}": "",
		"log {\nformat zoom_pkce\n}\nlog other {\noutput file o\n}":                                         "other",
		"log other {\nformat zoom_pkce\n}":                                                                  "default",
		"log {\noutput discard\n}\nlog a {\noutput file a\nformat filter {\nwrap zoom_pkce\nx delete\n}\n}": "",
		"log {\nformat zoom_pkce\n}\nlog a {\ninclude admin.api tls\n}":                                     "",
		"log {\nformat zoom_pkce\n}\nlog a {\ninclude http.log.access\n}\nlog b {\ninclude http\n}":         "a b",
	} {
		raw, err := adapted("{\n" + config + "\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		var c caddy.Config
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(logformat.Without(c.Logging), " "); got != want {
			t.Errorf("%s\nhas %q without the format, want %q", config, got, want)
		}
	}
}

// A log without anything in it is one with the default format.
func TestWithoutOfNothing(t *testing.T) {
	logs := &caddy.Logging{Logs: map[string]*caddy.CustomLog{"empty": nil}}
	if got := strings.Join(logformat.Without(logs), " "); got != "default empty" {
		t.Errorf("got %q", got)
	}
}

// asker is an app that asks while it is provisioned, as the directive's does.
type asker struct{}

var (
	lastCtx   caddy.Context
	lastInUse bool
)

func init() { caddy.RegisterModule(new(asker)) }

func (*asker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "logformat_asker", New: func() caddy.Module { return new(asker) }}
}

func (*asker) Provision(ctx caddy.Context) error {
	lastCtx, lastInUse = ctx, logformat.InUse(ctx)
	return nil
}

func (*asker) Start() error { return nil }
func (*asker) Stop() error  { return nil }

// The configuration being loaded counts, not the one that still runs.
func TestInUse(t *testing.T) {
	load := func(format string) {
		t.Helper()
		err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"logformat_asker":{}},"logging":{"logs":{
			"default":{"level":"PANIC"},
			"other":{"writer":{"output":"file","filename":"`+t.TempDir()+`/log"},"encoder":`+format+`}}}}`), true)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		format string
		want   bool
	}{
		{`{"format":"zoom_pkce"}`, true},
		{`{"format":"console"}`, false},
		{`{"format":"filter","wrap":{"format":"zoom_pkce"}}`, true},
	} {
		if load(step.format); lastInUse != step.want {
			t.Errorf("%s: %v", step.format, lastInUse)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if !logformat.InUse(lastCtx) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("still in use after the configuration has ended")
}
