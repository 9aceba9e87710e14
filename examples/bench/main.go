// Bench measures what zoom_pkce costs: requests of a signed-in visitor through
// Caddy with zoom_pkce and reverse_proxy, against the same through Caddy with
// reverse_proxy alone, which sets request headers of the same length.
//
//	go run ./examples/bench
//
// With -identity the app receives who the visitor is and nothing else, and
// reverse_proxy alone adds nothing at all.
//
// Both Caddys, and the app behind them, are processes of their own; this one is
// the visitors and a simulated Zoom. Everything is on 127.0.0.1 only. The two
// are measured in turns, so that both have the same weather. Give it a machine
// that has nothing else to do.
package main

import (
	"context"
	"errors"
	"io"
	"os"
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
	runs        int
	duration    time.Duration
	connections int
	rate        float64
	identity    bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := demo.NewFlags("bench", "Measures what zoom_pkce costs: requests of a signed-in visitor through Caddy with it,\n"+
		"against the same through Caddy with reverse_proxy alone.")
	flags.IntVar(&o.runs, "runs", 10, "`number` of runs of each loop")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "of each run, for each of the two")
	flags.IntVar(&o.connections, "connections", 64, "`number` of visitors that send at the same time")
	flags.Float64Var(&o.rate, "rate", 0, "requests a `second` of the open loop (default: half of what the slower one can do)")
	flags.BoolVar(&o.identity, "identity", false, "identity headers only, against nothing added")
	if err := demo.ParseFlags(flags, args, stderr); err != nil {
		return err
	}
	if o.runs < 1 || o.runs > 1000 || o.connections < 1 || o.connections > 10_000 ||
		o.duration <= 0 || o.duration > time.Hour || o.rate < 0 {
		return errors.New("runs, connections, duration and rate must be positive and in reason; see -h")
	}
	dir, err := os.MkdirTemp("", "zoom-pkce-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newRig(ctx, dir, o.identity)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return err
	}
	return r.measure(ctx, o, stdout)
}
