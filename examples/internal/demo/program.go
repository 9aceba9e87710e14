// Package demo is what the examples share, so that each of them shows only what
// is its own: how a program begins and ends, a simulated Zoom with two people, a
// Caddy in this process, and the app behind it. All of it is on 127.0.0.1.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a program: run's ctx ends with Ctrl-C.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	Exit(name, err)
}

// Exit ends this process, and says why if there is an error. Help is none.
func Exit(name string, err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// NewFlags returns the flags of the example called name. Its help says what the
// example is before what its flags are.
func NewFlags(name, what string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage: go run ./examples/%s [flags]\n\n%s\n\n", name, what)
		flags.PrintDefaults()
	}
	return flags
}

// PortFlag adds the flag -port to those of an example. Whose port it is stands in
// its help.
func PortFlag(flags *flag.FlagSet, standard int, whose string) *int {
	return flags.Int("port", standard, "`number` of "+whose+" port on 127.0.0.1, 0 for a free one")
}

// ParseFlags reads the command line of a program that takes nothing but flags.
func ParseFlags(flags *flag.FlagSet, args []string, stderr io.Writer) error {
	flags.SetOutput(io.Discard) // a mistake is told once, by Exit
	err := flags.Parse(args)
	flags.SetOutput(stderr)
	if errors.Is(err, flag.ErrHelp) {
		flags.Usage()
		return err
	}
	if err != nil {
		return fmt.Errorf("%w; see -h", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -h", flags.Arg(0))
	}
	return nil
}
