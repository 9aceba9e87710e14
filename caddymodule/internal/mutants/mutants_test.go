//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// golden compares got with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s wants\n%s\ngot\n%s", file, want, got)
	}
}

// TestPlanted lists what is planted in code of all kinds, without what would not compile.
func TestPlanted(t *testing.T) {
	r, err := loadRoom("./testdata/planted")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.plant(); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range r.faults {
		fmt.Fprintln(&got, f)
	}
	golden(t, "planted.txt", got.String())
}

// TestTiny tries every fault of a package whose tests are known to notice some, and what
// another package notices beside them.
func TestTiny(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.tsv")
	const room = "caddymodule/internal/mutants/testdata/tiny\t"
	text := room + "Clamp\tone more: 0\tnothing\n" + room + "Allowed\tone more: 3\ta mistake\n" + room + "Gone\tturned: a\tno more\n"
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var report, notes strings.Builder
	err := run([]string{"-n", "0", "-j", "2", "-patience", "3s", "-min", "0.99", "-list", list, "./testdata/tiny+./testdata/planted+./testdata/user"}, &report, &notes)
	noted := regexp.MustCompile(`took \d+s`).ReplaceAllString(notes.String(), "took a while")
	golden(t, "tiny.txt", report.String()+"\n"+noted+"\n"+strings.ReplaceAll(fmt.Sprint(err), list, "list.tsv")+"\n")
}

// A room that does well enough is no trouble, and only some of its faults need be tried.
func TestSomeFaults(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.tsv")
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var report strings.Builder
	if err := run([]string{"-only", "Allowed\tturned", "-min", "1", "-list", list, "./testdata/tiny"}, &report, io.Discard); err != nil {
		t.Error(err)
	}
	if got := strings.Fields(report.String()); !slices.Equal(got[len(got)-7:], []string{"./testdata/tiny", "26", "1", "1", "0", "1.000", "1.000"}) {
		t.Errorf("got %s", report.String())
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "mutants*")); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
}

// TestCommandChild is the program, for TestCommand.
func TestCommandChild(t *testing.T) {
	arguments := os.Getenv("MUTANTS_TEST_ARGUMENTS")
	if arguments == "" {
		t.Skip("runs as a child of TestCommand")
	}
	os.Args = append(os.Args[:1], strings.Fields(arguments)...)
	main()
}

// What goes wrong is said, and scripts see that it did.
func TestCommand(t *testing.T) {
	for arguments, want := range map[string]string{"-list /dev/null": "", "-list /nonexistent/list": "mutants: open /nonexistent/list"} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommandChild$")
		child.Env = append(os.Environ(), "MUTANTS_TEST_ARGUMENTS="+arguments)
		out, err := child.CombinedOutput()
		if child.ProcessState == nil {
			t.Fatal(err)
		}
		code := 0
		if want != "" {
			code = 1
		}
		if got := child.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) || (want == "") != !strings.Contains(string(out), "mutants:") {
			t.Errorf("%s: exit code %d\n%s", arguments, got, out)
		}
	}
}

func TestMistakes(t *testing.T) {
	folder := t.TempDir()
	list := func(text string) string {
		file := filepath.Join(folder, fmt.Sprintf("%x.tsv", text))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for want, args := range map[string][]string{
		`invalid value "many"`:                 {"-n", "many"},
		"error parsing regexp":                 {"-only", "("},
		"no such file":                         {"-list", filepath.Join(folder, "nowhere")},
		":2: not a room":                       {"-list", list("# a comment\na/room\tF\tturned: a")},
		":1: not a room":                       {"-list", list("a/room\tF\tturned: a\t")},
		":3: for the second time":              {"-list", list("r\tF\ta\twhy\n\nr\tF\ta\twhy")},
		"./testdata/nowhere: go list: exit":    {"-list", list(""), "./testdata/nowhere"},
		"directory not found":                  {"-list", list(""), "./testdata/nowhere"},
		"./testdata/empty: no package with":    {"-list", list(""), "./testdata/empty"},
		"./testdata/miswritten: go test: exit": {"-list", list(""), "./testdata/miswritten"},
		"undefined: nowhere":                   {"-list", list(""), "./testdata/miswritten"},
		"./testdata/panics: exit status 2":     {"-list", list(""), "./testdata/panics"},
		"go test: exit":                        {"-list", list(""), "./testdata/tiny+./testdata/nowhere"},
	} {
		if err := run(args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}

// The choice is one by chance that stays what it is while other code comes and goes.
func TestChoice(t *testing.T) {
	var all []*fault
	for n := range 100 {
		all = append(all, &fault{room: "r", function: "F", what: fmt.Sprint("turned: ", n), file: &source{name: "r.go"}, number: n})
	}
	numbers := func(o options, faults []*fault) (numbers []int) {
		for _, f := range choose(faults, o) {
			numbers = append(numbers, f.number)
		}
		return numbers
	}
	some := numbers(options{count: 10, seed: 1}, all)
	if len(some) != 10 || !slices.IsSorted(some) || slices.Equal(some, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("chose %d", some)
	}
	if again := numbers(options{count: 10, seed: 1}, all); !slices.Equal(again, some) {
		t.Errorf("chose %d, then %d", some, again)
	}
	if other := numbers(options{count: 10, seed: 2}, all); slices.Equal(other, some) {
		t.Errorf("another seed chose %d, too", other)
	}
	fewer := slices.DeleteFunc(slices.Clone(all), func(f *fault) bool { return f.number%2 == 0 && !slices.Contains(some, f.number) })
	if got := numbers(options{count: 10, seed: 1}, fewer); !slices.Equal(got, some) {
		t.Errorf("without others: %d, want %d", got, some)
	}
	for _, o := range []options{{count: 0}, {count: -1}, {count: 100}, {count: 101}} {
		if got := numbers(o, all); len(got) != 100 {
			t.Errorf("%d of %d are %d", o.count, len(all), len(got))
		}
	}
	if got := numbers(options{only: regexp.MustCompile("turned: 7$")}, all); !slices.Equal(got, []int{7}) {
		t.Errorf("only number 7 are %d", got)
	}
}

// Of the tests that pass a fault the quick ones come first, and one that fails ends it.
func TestOrderOfTests(t *testing.T) {
	folder := t.TempDir()
	binary := filepath.Join(folder, "a.test")
	script := "#!/bin/sh\necho \"$MUTANT $2\" >>runs; case $2 in *$FAILS*) exit 1; esac\n"
	if err := os.WriteFile(binary, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	var tests []*test
	for i, takes := range []time.Duration{time.Second / 4, time.Second / 2, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second} {
		tests = append(tests, &test{name: fmt.Sprint("T", i), binary: binary, folder: folder, takes: takes, passes: map[int]bool{7: i != 1}, unsound: i == 5})
	}
	for fails, want := range map[string]string{
		"none": "7 -test.run=^(T0|T2)$\n7 -test.run=^(T3|T4)$\n",
		"T2":   "7 -test.run=^(T0|T2)$\n",
		"T4":   "7 -test.run=^(T0|T2)$\n7 -test.run=^(T3|T4)$\n",
	} {
		t.Setenv("FAILS", fails)
		s := &suite{tests: tests} // without patience but that for slow tests
		if got := s.notices(&fault{number: 7}); got != (fails != "none") {
			t.Errorf("%s fails: noticed is %t", fails, got)
		}
		runs, _ := os.ReadFile(filepath.Join(folder, "runs"))
		if string(runs) != want {
			t.Errorf("%s fails: ran\n%s, want\n%s", fails, runs, want)
		}
		os.Remove(filepath.Join(folder, "runs"))
	}
}

// A report names five tests at most.
func TestReaching(t *testing.T) {
	s := new(suite)
	for n, want := range []string{
		"no test reaches it", "T0", "T0 T1", "T0 T1 T2", "T0 T1 T2 T3", "T0 T1 T2 T3 T4",
		"T0 T1 T2 T3 T4 and 1 more", "T0 T1 T2 T3 T4 and 2 more",
	} {
		if got := strings.Join(s.reaching(&fault{number: 1}), " "); got != want {
			t.Errorf("%d tests: %s", n, got)
		}
		s.tests = append(s.tests, &test{name: fmt.Sprint("T", n), passes: map[int]bool{1: true}}, &test{name: "other"})
	}
}

// A test that panics leaves the servers that it has started, which end with it.
func TestNothingIsLeftRunning(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "a.test")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n(for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; echo >>ticks; done) &\nsleep 0.3; exit 2\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	s := &suite{}
	if s.run([]*test{{name: "TestA", binary: script, folder: folder}}, time.Minute, "MUTANT=1") {
		t.Error("a test that fails succeeds")
	}
	ticks := func() int64 {
		file, err := os.Stat(filepath.Join(folder, "ticks"))
		if err != nil {
			t.Fatal(err)
		}
		return file.Size()
	}
	before := ticks()
	time.Sleep(400 * time.Millisecond)
	if after := ticks(); after != before {
		t.Errorf("what it started goes on: %d, then %d", before, after)
	}
}

// A test that takes too long, or too much, has noticed.
func TestLimits(t *testing.T) {
	folder := t.TempDir()
	script := filepath.Join(folder, "a.test")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nulimit -v >limit; sleep $SLEEPS\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	own, err := exec.Command("sh", "-c", "ulimit -v").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		memory int
		want   string
	}{{4096, "4194304\n"}, {2048, "2097152\n"}, {0, string(own)}} {
		t.Setenv("SLEEPS", "0")
		s := &suite{options: options{memory: tt.memory}}
		if !s.run([]*test{{binary: script, folder: folder}}, time.Minute, "MUTANT=1") {
			t.Error("nothing is wrong")
		}
		if limit, _ := os.ReadFile(filepath.Join(folder, "limit")); string(limit) != tt.want {
			t.Errorf("with %d MiB the limit is %q", tt.memory, limit)
		}
	}
	t.Setenv("SLEEPS", "30")
	began := time.Now()
	if new(suite).run([]*test{{binary: script, folder: folder}}, 100*time.Millisecond, "MUTANT=1") || time.Since(began) > 20*time.Second {
		t.Error("it was waited for")
	}
}

// TestEveryRoomHasItsTurn compares the weekly workflow with the rooms there are. Those
// that import package testing are tests themselves.
func TestEveryRoomHasItsTurn(t *testing.T) {
	out, err := goCommand("list", "-f", `{{if .GoFiles}}{{slice .ImportPath (len .Module.Path)}} {{join .Imports " "}}{{end}}`, "../../../...")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		room, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(room, "/examples/") && !slices.Contains(strings.Fields(imports), "testing") {
			want = append(want, "."+room)
		}
	}
	text, err := os.ReadFile("../../../.github/workflows/mutants.yml")
	if err != nil {
		t.Fatal(err)
	}
	matrix, _, _ := strings.Cut(string(text), "steps:")
	got := regexp.MustCompile(`(?m)(?:^| )\./[\w/]+`).FindAllString(matrix, -1)
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the workflow has %q,\nwant %q", got, want)
	}
}
