package simulation

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	plant = flag.Bool("plant", false, "take fixes out again, one by one, and see that each fault is found")
	brief = flag.Bool("brief", false, "end with the first seed that breaks, untold")
)

// fault is a fix that is taken out again: in a file of package zoompkce, text stands in
// place of what mends it. The test finds it, one of the default run or a pinned plan where
// that would need more seeds.
type fault struct{ name, file, fix, text, test string }

var faults = []fault{
	{"the late answer wins", "snapshot.go", "return s.seq > old.seq || s.began > old.known", "return true", "Simulation"},
	{"the grant of a failed sign-in is lost", "signin.go", "		m.keepGrant(ctx, u, fresh, err)\n", "", "Simulation"},
	{
		"a dying grant survives a logout", "signout.go", "for _, s := range m.presented(k, cookies) {",
		"for _, s := range m.presented(k, cookies) {\n		if !s.user.signedIn() {\n			continue\n		}",
		"Simulation",
	},
	{"the store goes back", "snapshot.go", "case known.succeeds(stored):", "case true:\n		return nil\n	case known.succeeds(stored):", "Simulation"},
	{"the secret is dead", "secret.go", "if err != nil || k.generated == nil {", "if true {", "Simulation"},
	{"memory says that the grant is dead", "programsession.go", "return now.Sub(snap.readAt) > noMemory", "return false", "PinnedMemory"},
	{"a reading that was overtaken counts", "read.go", "return u.current.Load(), nil\n}\n", "return snap, nil\n}\n", "PinnedMemory"},
	{"of sign-ins that failed one grant is kept", "user.go", "const maxUnsaved = 4", "const maxUnsaved = 1", "PinnedMemory"},
	{"a program's token is under the lost secret", "programcode.go", "return m.keys.Load().programTokens(", "return k.programTokens(", "PinnedMemory"},
	{
		"a program's token is under the newer secret", "secret.go", "if value, err = open(k); !errors.Is(err, unopened) {",
		"if value, err = open(k); true {", "PinnedMemory",
	},
}

// The simulation is worth something only if it finds what was wrong once.
func TestFaults(t *testing.T) {
	if !*plant {
		t.Skip("no -plant")
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", f.overlay(t), "-run", "^Test"+f.test+"$", ".", "-args", "-brief").CombinedOutput()
			found := regexp.MustCompile(`seed (\d+: .*)`).FindSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("%v, and nothing is found:\n%s", err, out)
			}
			t.Logf("found by seed %s", found[1])
		})
	}
}

// overlay writes the file without the fix and returns what tells the go command.
func (f fault) overlay(t *testing.T) string {
	path, err := filepath.Abs("../" + f.file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(source), f.fix)
	if at < 0 {
		t.Fatalf("%s has no %q any more", f.file, f.fix)
	}
	dir := t.TempDir()
	without, config := filepath.Join(dir, f.file), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: without}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		without: string(source[:at]) + f.text + string(source[at+len(f.fix):]), config: string(list),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config
}
