//go:build unix

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// suite is the tests that may notice a room's faults, built once.
type suite struct {
	options
	folder string
	tests  []*test
}

type test struct {
	name    string
	binary  string
	folder  string // where it runs
	takes   time.Duration
	passes  map[int]bool // numbers of faults
	unsound bool         // fails without a fault
}

// build builds the tests of packages with the room's faults in, and finds out which
// test passes which of them.
func (r *room) build(folder string, packages []string, o options) (*suite, error) {
	replace := make(map[string]string)
	for name, text := range r.planted() {
		copied := filepath.Join(folder, name)
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(r.folder, name)] = copied
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return nil, err
	}
	s := &suite{options: o, folder: folder}
	for i, path := range packages {
		binary := filepath.Join(folder, fmt.Sprintf("%d.test", i))
		if _, err := goCommand("test", "-c", "-vet=off", "-overlay", overlayFile, "-o", binary, path); err != nil {
			return nil, err
		}
		place, err := goCommand("list", "-f", "{{.Dir}}", path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(binary); err != nil {
			continue // no tests
		}
		names, err := exec.Command(binary, "-test.list", ".").Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for name := range strings.FieldsSeq(string(names)) {
			s.tests = append(s.tests, &test{name: name, binary: binary, folder: strings.TrimSpace(string(place))})
		}
	}
	s.each(len(s.tests), func(i int) { s.measure(s.tests[i], i) })
	slices.SortStableFunc(s.tests, func(a, b *test) int { return cmp.Compare(a.takes, b.takes) })
	return s, nil
}

// each calls do for 0 to n-1, in as many goroutines as there are jobs.
func (s *suite) each(n int, do func(int)) {
	var group sync.WaitGroup
	free := make(chan struct{}, max(1, s.jobs))
	for i := range n {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			do(i)
		})
	}
	group.Wait()
}

// measure runs a test without a fault, to see how long it takes and what it passes.
func (s *suite) measure(t *test, nth int) {
	reached := filepath.Join(s.folder, fmt.Sprintf("reached%d", nth))
	began := time.Now()
	t.unsound = !s.run([]*test{t}, 5*time.Minute, "MUTANTS_REACHED="+reached)
	t.takes = time.Since(began)
	if t.unsound {
		fmt.Fprintf(s.notes, "%s fails by itself and does not count\n", t.name)
	}
	numbers, _ := os.ReadFile(reached) // it may have passed none
	t.passes = make(map[int]bool)
	for number := range strings.FieldsSeq(string(numbers)) {
		n, _ := strconv.Atoi(number)
		t.passes[n] = true
	}
}

// try wakes one fault after the other.
func (s *suite) try(faults []*fault) {
	s.each(len(faults), func(i int) { faults[i].noticed = s.notices(faults[i]) })
}

// notices runs the tests that pass a fault until one fails: those of the first second
// first, because most faults fall to any of them.
func (s *suite) notices(f *fault) bool {
	byBinary := make(map[string][]*test)
	var order []string
	for _, t := range s.tests {
		if t.unsound || !t.passes[f.number] {
			continue
		}
		if byBinary[t.binary] == nil {
			order = append(order, t.binary)
		}
		byBinary[t.binary] = append(byBinary[t.binary], t)
	}
	for _, binary := range order {
		tests := byBinary[binary]
		quick := 0
		for sum := time.Duration(0); quick < len(tests) && sum < time.Second; quick++ {
			sum += tests[quick].takes
		}
		for _, batch := range [][]*test{tests[:quick], tests[quick:]} {
			limit := s.patience
			for _, t := range batch {
				limit += 3 * t.takes
			}
			if len(batch) > 0 && !s.run(batch, limit, "MUTANT="+strconv.Itoa(f.number)) {
				return true
			}
		}
	}
	return false
}

// run reports whether tests of one binary succeed within limit.
func (s *suite) run(tests []*test, limit time.Duration, env string) bool {
	var names []string
	for _, t := range tests {
		names = append(names, regexp.QuoteMeta(t.name))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	script := `exec "$@"`
	if s.memory > 0 { // a loop without end may also eat without end
		script = fmt.Sprintf("ulimit -v %d; ", s.memory<<10) + script
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", tests[0].binary, "-test.failfast", //nolint:gosec // tests that were built here
		"-test.run=^("+strings.Join(names, "|")+")$")
	cmd.Dir = tests[0].folder
	cmd.Env = append(os.Environ(), "MUTANT=", "MUTANTS_REACHED=", env) // no fault of this program's own, where one is tried
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := cmd.Run()
	if cmd.Process != nil { // what it has started ends with it, even if it panics
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return err == nil
}

// reaching names the tests that pass a fault.
func (s *suite) reaching(f *fault) []string {
	var names []string
	for _, t := range s.tests {
		if t.passes[f.number] {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return []string{"no test reaches it"}
	}
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("and %d more", more))
	}
	return names
}
