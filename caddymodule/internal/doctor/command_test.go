package doctor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

const commandLine = "ZOOM_PKCE_TEST_COMMAND_LINE"

// TestCommandChild is Caddy, for the tests below.
func TestCommandChild(t *testing.T) {
	line := os.Getenv(commandLine)
	if line == "" {
		t.Skip("runs as a child of other tests")
	}
	os.Args = append([]string{"caddy"}, strings.Split(line, " ")...)
	caddycmd.Main()
}

// caddy runs a command as a process of its own.
func runCaddy(t *testing.T, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommandChild$")
	child.Env = append(os.Environ(), commandLine+"="+strings.Join(args, " "))
	var out, errs bytes.Buffer
	child.Stdout, child.Stderr = &out, &errs
	if err := child.Run(); child.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), child.ProcessState.ExitCode()
}

func TestDoctorCommand(t *testing.T) {
	p := newPatient(t)
	config := p.write(t)
	stdout, stderr, code := runCaddy(t, "zoom-pkce", "doctor", "--config", config, "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	var found diagnosis
	if err := json.NewDecoder(strings.NewReader(stdout)).Decode(&found); err != nil || !found.OK {
		t.Errorf("%v\n%s", err, stdout)
	}
	if strings.Contains(stderr, "using config from file") {
		t.Errorf("what Caddy logs while it loads gets in the way: %s", stderr)
	}

	t.Setenv("DOCTOR_CLIENT_SECRET", "the-secret-of-development")
	stdout, stderr, code = runCaddy(t, "zoom-pkce", "doctor", "--config", config, "--adapter", "caddyfile")
	if code != 1 {
		t.Errorf("exit code %d, want 1\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "fail     credentials") {
		t.Errorf("got %s", stdout)
	}
	if strings.Contains(stderr, "Usage:") || strings.Contains(stderr, "a check failed") {
		t.Errorf("the findings say it all, and then: %s", stderr)
	}
}

// A configuration that is none is told as such, by what is wrong with it.
func TestDoctorOnOtherConfigurations(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"":                                   "there is no Caddyfile in this directory",
		`{"@id": "top", "apps": {}}`:         "the configuration has no zoom_pkce directive",
		`{"nonsense": 1}`:                    "decoding config: ",
		`{"storage": {"module": "nowhere"}}`: "nowhere",
	} {
		args := []string{"doctor", "--json"}
		if text != "" {
			writeFile(t, "caddy.json", text)
			args = append(args, "--config", "caddy.json")
		}
		out, err := run(t, args...)
		var found diagnosis
		if json.Unmarshal([]byte(out), &found) != nil || err == nil || len(found.Checks) != 1 || !strings.Contains(found.Checks[0].Message, want) {
			t.Errorf("%s: %v\n%s", text, err, out)
		}
	}
}

func TestMisspelledCommand(t *testing.T) {
	for args, want := range map[string]string{
		"docter":                  `unknown command "docter" for "caddy zoom-pkce"; did you mean "doctor"?`,
		"docter --json":           "unknown",
		"examine":                 `unknown command "examine" for "caddy zoom-pkce"`,
		"examine --config x.json": "unknown",
		"doctor now":              `unknown command "now"`,
	} {
		stdout, stderr, code := runCaddy(t, append([]string{"zoom-pkce"}, strings.Split(args, " ")...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	stdout, stderr, code := runCaddy(t, "zoom-pkce")
	if code != 0 || !strings.Contains(stdout, "keygen") || !strings.Contains(stdout, "doctor") {
		t.Errorf("without a subcommand: exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestKeygenCommand(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		stdout, stderr, code := runCaddy(t, "zoom-pkce", "keygen")
		secret, _, _ := strings.Cut(stdout, "\n")
		if code != 0 || len(secret) != 43 {
			t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
		}
		seen[secret] = true
	}
	if len(seen) != 2 {
		t.Error("the same secret twice")
	}
}
