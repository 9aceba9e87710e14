package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

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
	writeFile(t, name, text)
	found, healthy := p.examine(t, "--envfile", name)
	if !healthy {
		t.Errorf("got %+v", found)
	}
	found, _ = p.examine(t, "--envfile", name+".missing")
	if f := found["configuration"][0]; f.Status != "fail" || !strings.Contains(f.Message, "zoom.env.missing") {
		t.Errorf("got %+v", f)
	}
}
