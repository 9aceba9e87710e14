//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTiny plants every fault of a package whose tests are known to notice some.
func TestTiny(t *testing.T) {
	r, err := loadRoom("./testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.plant(); err != nil {
		t.Fatal(err)
	}
	s, err := r.build(t.TempDir(), []string{"./testdata/tiny"}, options{jobs: 2, patience: 3 * time.Second, memory: 8192})
	if err != nil {
		t.Fatal(err)
	}
	s.try(r.faults)

	got := make(map[string]*fault)
	for _, f := range r.faults {
		got[f.function+" "+f.what] = f
	}
	for fault, noticed := range map[string]bool{
		"Allowed turned: n < 3":            true,
		"Allowed shifted: n < 3":           true,
		"Allowed one more: 3":              true,
		"Clamp turned: n < 0":              true,
		"Clamp shifted: n < 0":             false, // changes nothing
		"Clamp one more: 0":                false, // nor does this
		"Clamp one more: 0 #2":             true,
		"Count left out: n -= 1":           true, // for ever
		"Count left out: steps++":          true,
		`Check ||: name == "" && strict`:   true,
		`Check turned: name == ""`:         true,
		"Check turned: strict":             false,
		`Check nil: errors.New("no name")`: false,
		`Kind never: "one"`:                true,
		"Kind one more: 2":                 true,
		"Kind one more: 0":                 false,
		"First left out: i++":              false, // not a statement of a block: not planted
		"First break: continue":            false, // does not compile: not planted
		"First turned: out(numbers[i])":    true,
		"Told nil: said(word)":             false, // it is nil anyhow: not planted
		"Unreached turned: true":           false,
		"Unreached left out: *done = true": false,
	} {
		f := got[fault]
		if planted := !strings.HasPrefix(fault, "First left") && !strings.HasPrefix(fault, "First break") && !strings.HasPrefix(fault, "Told"); planted != (f != nil) {
			t.Errorf("%s: planted is %t, want %t", fault, f != nil, planted)
		} else if planted && f.noticed != noticed {
			t.Errorf("%s: noticed is %t, want %t (%s)", fault, f.noticed, noticed, s.reaching(f))
		}
	}
	if f := got["Unreached turned: true"]; f != nil && s.reaching(f)[0] != "no test reaches it" {
		t.Errorf("%s is reached by %s", f, s.reaching(f))
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

// TestList reads lines with a reason, and tells those that fit no fault any longer.
func TestList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.tsv")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n\na/room\tF\tturned: a\twhy\na/room\tF\tturned: b\twhy\nother\tF\tturned: b\twhy\n")
	list, err := readList(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{name: "a/room", faults: []*fault{{room: "a/room", function: "F", what: "turned: a"}}}
	if got, want := list.stale(r), []string{"a/room\tF\tturned: b"}; !slices.Equal(got, want) {
		t.Errorf("stale: %q, want %q", got, want)
	}
	for _, wrong := range []string{"a/room\tF\tturned: a", "a/room\tF\tturned: a\t", "r\tF\ta\twhy\nr\tF\ta\twhy"} {
		write(wrong)
		if _, err := readList(file); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}
