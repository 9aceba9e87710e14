// Bench measures what zoom_pkce costs:
//
//	go run ./examples/bench
//
// It has three parts; -only names those to measure, without it the first two.
//
//   - requests of a signed-in visitor: with all headers, and with identity alone, against
//     reverse_proxy that sets the same headers; with identity alone, against reverse_proxy
//     alone; by a program's token, against the same by cookie; and what GOGC=200 changes
//   - sign-ins, from the page load to the return, and the first requests after a restart,
//     on files and, where there is a redis-server, on Redis
//   - fleet: two Caddys on one Redis with 100,000 users, which takes some minutes
//
// Every Caddy, the app behind them and Redis are processes of their own; this one is the
// visitors and a simulated Zoom. Everything is on 127.0.0.1 only. What is compared
// is measured in turns, so that all have the same weather. Processor time is
// that of whole processes, without their start; it is less disturbed than all times by what
// else runs on the machine. Give it one that has nothing else to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		demo.Exit("bench ("+role+")", runRole(role))
	}
	demo.Main("bench", run)
}

// options say how long and how hard to measure.
type options struct {
	only        string
	runs        int
	duration    time.Duration
	connections int
	rate        float64
	signIns     int
	users       int
}

// measurement measures one part and prints what came of it.
type measurement func(context.Context, *rig, options, io.Writer) error

// parts are what can be measured, in this order.
var (
	parts        = [...]string{"requests", "sign-ins", "fleet"}
	measurements = map[string]measurement{"requests": measureRequests, "sign-ins": measureSignIns, "fleet": measureFleet}
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := demo.NewFlags("bench", "Measures what zoom_pkce costs: requests of signed-in visitors, sign-ins, the first requests\n"+
		"after a restart, and a fleet on one Redis.")
	flags.StringVar(&o.only, "only", "requests,sign-ins", "`parts` to measure, of requests, sign-ins and fleet")
	flags.IntVar(&o.runs, "runs", 8, "`number` of runs of each that is compared")
	flags.DurationVar(&o.duration, "duration", time.Second, "of a run of requests")
	flags.IntVar(&o.connections, "connections", 64, "`number` of visitors that send at the same time")
	flags.Float64Var(&o.rate, "rate", 0, "requests a `second`, come what may (default: the next when the last was answered)")
	flags.IntVar(&o.signIns, "sign-ins", 500, "`number` of sign-ins of a run")
	flags.IntVar(&o.users, "users", 100_000, "`number` of users of the fleet")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	if o.runs < 1 || o.runs > 1000 || o.connections < 1 || o.connections > 10_000 ||
		o.duration <= 0 || o.duration > time.Hour || o.rate < 0 || o.signIns < 1 || o.signIns > 100_000 || o.users < 1 || o.users > 10_000_000 {
		return errors.New("numbers and durations must be positive and in reason; see -h")
	}
	chosen := strings.Split(o.only, ",")
	for _, name := range chosen {
		if measurements[name] == nil {
			return fmt.Errorf("there is no part %q; see -h", name)
		}
	}
	for _, name := range parts {
		if !slices.Contains(chosen, name) {
			continue
		}
		if err := withRig(ctx, func(r *rig) error { return measurements[name](ctx, r, o, stdout) }); err != nil {
			return fmt.Errorf("measuring %s: %w", name, err)
		}
	}
	return nil
}

// withRig gives each part a rig of its own.
func withRig(ctx context.Context, use func(*rig) error) error {
	dir, err := os.MkdirTemp("", "zoom-pkce-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newRig(ctx, dir)
	defer r.close()
	if err != nil {
		return err
	}
	return use(r)
}
