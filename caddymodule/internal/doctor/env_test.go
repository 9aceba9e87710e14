package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
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
		{"quoted without end", "A=\"x\ny", "map[A:x\ny]"},
		{"no equals sign after a quoted one", "A=\"x\ny\"\nsecret-value", "line 3 is not KEY=VALUE"},
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

func TestEnvFilesThatCannotBeLoaded(t *testing.T) {
	dir := t.TempDir()
	load := func(text string) error {
		name := filepath.Join(dir, "env")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return loadEnvFile(name)
	}
	if err := load("A=b\nno line\n"); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line that is none: %v", err)
	}
	if err := load("A\x00B=c\n"); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a name that is none: %v", err)
	}
	if err := load("A=" + strings.Repeat("b", 1<<16)); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line without end: %v", err)
	}
	if err := loadEnvFile(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that there is not: %v", err)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	os.Unsetenv("XDG_CONFIG_HOME")
	os.Unsetenv("XDG_DATA_HOME")
	autosave, storage := caddy.ConfigAutosavePath, caddy.DefaultStorage
	defer func() { caddy.ConfigAutosavePath, caddy.DefaultStorage = autosave, storage }()
	if err := load("XDG_CONFIG_HOME=" + dir + "\nXDG_DATA_HOME=" + dir + "\n"); err != nil {
		t.Fatal(err)
	}
	if caddy.ConfigAutosavePath != filepath.Join(dir, "caddy", "autosave.json") || caddy.DefaultStorage.Path != filepath.Join(dir, "caddy") {
		t.Errorf("Caddy keeps its data in %s and %s", caddy.ConfigAutosavePath, caddy.DefaultStorage.Path)
	}
	variables, err := parseEnvFile(strings.NewReader("A=\"say \\\"x\\\"\nand \\\"y\\\"\"\nB=c"))
	if want := "say \"x\"\nand \"y\""; err != nil || variables["A"] != want || variables["B"] != "c" {
		t.Errorf("got %q, %v", variables, err)
	}
}
