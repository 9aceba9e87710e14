package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestParseEnvFile(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
	}{
		{"plain", "A=1\nB=two words\n", "map[A:1 B:two words]"},
		{"comments and empty lines", "# A=0\n\n  A=1 # one\n", "map[A:1]"},
		{"exported", "export A=1\n", "map[A:1]"},
		{"quoted", `A="x y"` + "\nB='z'\n", "map[A:x y B:z]"},
		{"quoted over lines", "A=\"x\ny\"\nB=1\n", "map[A:x\ny B:1]"},
		{"empty value", "A=\n", "map[A:]"},
		{"no equals sign", "A=1\nsecret-value\n", "line 2 is not KEY=VALUE"},
		{"space in key", "A B=secret-value\n", "line 1 has a space in its key"},
		{"space before value", "A= secret-value\n", "line 1 has white space before its value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseEnvFile(strings.NewReader(test.text))
			text := fmt.Sprint(got)
			if err != nil {
				text = err.Error()
			}
			if text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

func TestDoctorReadsEnvFiles(t *testing.T) {
	autosave, storage := caddy.ConfigAutosavePath, caddy.DefaultStorage
	t.Cleanup(func() { caddy.ConfigAutosavePath, caddy.DefaultStorage = autosave, storage })
	p := newPatient(t)
	p.options["client_secret"] = "{env.DOCTOR_FROM_FILE}"
	t.Setenv("DOCTOR_FROM_FILE", "") // restored by t.Setenv's cleanup
	if err := os.Unsetenv("DOCTOR_FROM_FILE"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(p.dir, "zoom.env")
	text := "DOCTOR_FROM_FILE=" + testClientSecret + "\nDOCTOR_COOKIE_SECRET=too-short-and-not-taken\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, healthy := p.examine(t, doctor{envFiles: []string{name}})
	if !healthy {
		t.Errorf("got %+v", found)
	}
	found, _ = p.examine(t, doctor{envFiles: []string{name + ".missing"}})
	if f := found["configuration"][0]; f.Status != verdictFail || !strings.Contains(f.Message, "zoom.env.missing") {
		t.Errorf("got %+v", f)
	}
}
