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
	"io"
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

	report, notes io.Writer
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string, report, notes io.Writer) (o options, rooms []string, err error) {
	o.report, o.notes = report, notes
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(notes)
	flags.IntVar(&o.count, "n", 200, "`faults` a room, chosen by -seed; 0 takes all")
	flags.Uint64Var(&o.seed, "seed", 1, "another choice of faults")
	flags.IntVar(&o.jobs, "j", runtime.NumCPU(), "faults that are tried at the same time")
	flags.Float64Var(&o.minimum, "min", 0, "the `score`, apart from the list, below which a room fails")
	flags.Func("only", "only faults whose line in the report matches this `expression`", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	flags.DurationVar(&o.patience, "patience", 10*time.Second, "how `long` tests may take, beside three times what they usually do")
	flags.IntVar(&o.memory, "memory", 8192, "`MiB` of address space for a test; 0 for no limit (a browser needs that)")
	flags.StringVar(&o.list, "list", "caddymodule/internal/mutants/equivalents.tsv", "`file` of the faults that change nothing")
	err = flags.Parse(args)
	return o, flags.Args(), err
}

// run tries the rooms one after the other and prints their scores in the end.
func run(args []string, report, notes io.Writer) error {
	o, rooms, err := parse(args, report, notes)
	if err != nil {
		return err
	}
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
		fmt.Fprintf(notes, "%s took %s\n", name, time.Since(began).Round(time.Second))
	}
	fmt.Fprint(report, table.String())
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
	path, _, _ := strings.Cut(name, "+")
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
	suite, err := r.build(folder, strings.Split(name, "+"), o)
	if err != nil {
		return score{}, err
	}
	suite.try(chosen)
	for _, f := range chosen {
		_, known := list[f.key()]
		switch {
		case f.noticed && known:
			fmt.Fprintf(o.report, "noticed, and listed: %s\n", f)
			result.noticed++
		case f.noticed:
			result.noticed++
		case known:
			result.listed++
		default:
			fmt.Fprintf(o.report, "%s\t%s\n", f, strings.Join(suite.reaching(f), " "))
		}
	}
	return result, nil
}
