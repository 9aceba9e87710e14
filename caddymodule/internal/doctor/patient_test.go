package doctor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/spf13/cobra"

	_ "github.com/zoompkce/caddy-zoom-pkce/caddymodule"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	testClientID      = "AbCdEfGhIjKlMnOpQrStU"
	testClientSecret  = "a-client-secret-that-no-log-may-show"
	doctorRedirectURI = "http://127.0.0.1:8080/zoom_pkce/callback"
	doctorSecret      = "Lq3vQ9xZ_t1RrC8mWb0yJ5nKpE7uDgAiSoHfV2XwTzM"
)

// patient is a configuration for the doctor and the Zoom it is for.
type patient struct {
	zoom    *zoomtest.Server
	dir     string
	storage string
	options map[string]string // of zoom_pkce
	file    string            // instead of the Caddyfile made from options

	logFormat string
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	zoom := zoomtest.NewServer()
	t.Cleanup(zoom.Close)
	zoom.AddApp(zoomtest.App{
		ClientID: testClientID, ClientSecret: testClientSecret, RedirectURIs: []string{doctorRedirectURI},
	})
	t.Setenv("DOCTOR_CLIENT_SECRET", testClientSecret)
	t.Setenv("DOCTOR_COOKIE_SECRET", doctorSecret)
	dir := t.TempDir()
	return &patient{zoom: zoom, dir: dir, storage: filepath.Join(dir, "storage"), logFormat: "zoom_pkce", options: map[string]string{
		"client_id":     testClientID,
		"client_secret": "{env.DOCTOR_CLIENT_SECRET}",
		"redirect_uri":  doctorRedirectURI,
		"oauth_url":     zoom.URL,
		"api_url":       zoom.URL,
		"zoom_timeout":  "2s",
		"cookie":        "{\nsecret {env.DOCTOR_COOKIE_SECRET}\n}",
	}}
}

// write writes the Caddyfile and returns its name.
func (p *patient) write(t *testing.T) string {
	t.Helper()
	text := p.file
	if text == "" {
		var b strings.Builder
		fmt.Fprintf(&b, "{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tstorage file_system %q\n"+
			"\tlog default {\n\t\toutput file %q\n\t\tformat %s\n\t}\n}\nhttp://127.0.0.1:8080 {\n\tzoom_pkce {\n", p.storage, p.logFile(), p.logFormat)
		for name, value := range p.options {
			fmt.Fprintf(&b, "%s %s\n", name, value)
		}
		b.WriteString("\t}\n}\n")
		text = b.String()
	}
	name := filepath.Join(p.dir, "Caddyfile")
	writeFile(t, name, text)
	return name
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *patient) logFile() string { return filepath.Join(p.dir, "logs", "caddy.log") }

// finding is the outcome of one check, as the command tells it.
type finding struct {
	ClientID string   `json:"client_id"`
	Check    string   `json:"check"`
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	Advice   string   `json:"advice"`
	Values   []string `json:"values"`
}

// diagnosis is all that the command tells.
type diagnosis struct {
	OK     bool      `json:"ok"`
	User   string    `json:"user"`
	Checks []finding `json:"checks"`
}

// run runs a subcommand of `caddy zoom-pkce` in this process.
func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	cmd := &cobra.Command{Use: "zoom-pkce"}
	caddycmd.Commands()["zoom-pkce"].CobraFunc(cmd)
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// diagnose runs the doctor.
func (p *patient) diagnose(t *testing.T, args ...string) diagnosis {
	t.Helper()
	out, err := run(t, append([]string{"doctor", "--json", "--config", p.write(t)}, args...)...)
	var all diagnosis
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if all.OK != (err == nil) {
		t.Errorf("ok is %v, the error %v", all.OK, err)
	}
	if all.User != osUser(t) {
		t.Errorf("checked as %q, want %q", all.User, osUser(t))
	}
	return all
}

// examine runs the doctor and returns its findings by check.
func (p *patient) examine(t *testing.T, args ...string) (found map[string][]finding, healthy bool) {
	t.Helper()
	all := p.diagnose(t, args...)
	for _, secret := range []string{testClientSecret, doctorSecret} {
		if strings.Contains(fmt.Sprint(all), secret) {
			t.Errorf("a secret is printed: %+v", all)
		}
	}
	return all.byCheck(), all.OK
}

func (d diagnosis) byCheck() map[string][]finding {
	found := make(map[string][]finding)
	for _, f := range d.Checks {
		found[f.Check] = append(found[f.Check], f)
	}
	return found
}

func osUser(t *testing.T) string {
	t.Helper()
	current, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return current.Username
}
