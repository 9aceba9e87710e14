//go:build unix

// Mutants asks of each room whether its tests would notice a mistake. It plants
// hundreds of small faults into a copy of a package's sources, all at once and asleep,
// builds its tests once, and runs them once for each fault, with that one awake:
//
//	go run ./caddymodule/internal/mutants ./zoompkce/returnurl
//	go run ./caddymodule/internal/mutants -n 0 ./zoompkce+./zoompkce/simulation
//
// What stands behind a plus sign are packages whose tests count, too. The sources stay
// untouched. A fault that no test notices is printed with the tests that pass it; it
// wants a test, code in which it cannot be planted, or, if it changes nothing, a line
// in equivalents.tsv that says why.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

type options struct {
	count    int
	seed     uint64
	jobs     int
	minimum  float64
	only     *regexp.Regexp
	patience time.Duration
	memory   int // MiB
	list     string
}

func main() {
	var o options
	var only string
	flag.IntVar(&o.count, "n", 200, "`faults` a room, chosen by -seed; 0 takes all")
	flag.Uint64Var(&o.seed, "seed", 1, "another choice of faults")
	flag.IntVar(&o.jobs, "j", runtime.NumCPU(), "faults that are tried at the same time")
	flag.Float64Var(&o.minimum, "min", 0, "the `score`, apart from the list, below which a room fails")
	flag.StringVar(&only, "only", "", "only faults whose line in the report matches this `expression`")
	flag.DurationVar(&o.patience, "patience", 10*time.Second, "how `long` tests may take, beside three times what they usually do")
	flag.IntVar(&o.memory, "memory", 8192, "`MiB` of address space for a test; 0 for no limit (a browser needs that)")
	flag.StringVar(&o.list, "list", "caddymodule/internal/mutants/equivalents.tsv", "`file` of the faults that change nothing")
	flag.Parse()
	if only != "" {
		o.only = regexp.MustCompile(only)
	}
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries the rooms one after the other and prints their scores in the end.
func run(o options, rooms []string) error {
	list, err := readList(o.list)
	if err != nil {
		return err
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-40s %8s %6s %8s %7s %6s %11s\n", "room", "possible", "tried", "noticed", "listed", "score", "but listed")
	var troubles []error
	for _, name := range rooms {
		began := time.Now()
		score, err := tryRoom(o, list, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&table, "%-40s %8d %6d %8d %7d %6.3f %11.3f\n", name,
			score.possible, score.tried, score.noticed, score.listed, score.of(score.tried), score.of(score.tried-score.listed))
		if got := score.of(score.tried - score.listed); got < o.minimum {
			troubles = append(troubles, fmt.Errorf("%s: %.3f is below %.3f", name, got, o.minimum))
		}
		for _, key := range score.stale {
			troubles = append(troubles, fmt.Errorf("%s has a line for no fault: %s", o.list, strings.ReplaceAll(key, "\t", " | ")))
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", name, time.Since(began).Round(time.Second))
	}
	fmt.Print(table.String())
	return errors.Join(troubles...)
}

// score is how a room did. Faults that are listed and were noticed all the same count
// as noticed.
type score struct {
	possible, tried, noticed, listed int

	stale []string
}

func (s score) of(faults int) float64 {
	return float64(s.noticed) / float64(max(1, faults))
}

func tryRoom(o options, list equivalents, name string) (score, error) {
	path, others, _ := strings.Cut(name, "+")
	r, err := loadRoom(path)
	if err != nil {
		return score{}, err
	}
	if err := r.plant(); err != nil {
		return score{}, err
	}
	chosen := choose(r.faults, o)
	result := score{possible: len(r.faults), tried: len(chosen), stale: list.stale(r)}

	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return score{}, err
	}
	defer os.RemoveAll(folder)
	packages := []string{path}
	if others != "" {
		packages = append(packages, strings.Split(others, "+")...)
	}
	suite, err := r.build(folder, packages, o)
	if err != nil {
		return score{}, err
	}
	suite.try(chosen)
	for _, f := range chosen {
		_, known := list[f.key()]
		switch {
		case f.noticed && known:
			fmt.Printf("noticed, and listed: %s\n", f)
			result.noticed++
		case f.noticed:
			result.noticed++
		case known:
			result.listed++
		default:
			fmt.Printf("%s\t%s\n", f, strings.Join(suite.reaching(f), " "))
		}
	}
	return result, nil
}
