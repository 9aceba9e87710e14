package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// compared is the runs of one loop, of both targets.
type compared struct {
	signed, plain []sample
}

// measure runs both loops and prints what came of them.
func (r *rig) measure(ctx context.Context, o options, w io.Writer) error {
	warm, err := r.compare(ctx, options{runs: 1, duration: o.duration}, func(t target, d time.Duration) (sample, error) {
		return t.closedLoop(ctx, o.connections, d)
	})
	if err != nil {
		return err
	}
	closed, err := r.compare(ctx, o, func(t target, d time.Duration) (sample, error) {
		return t.closedLoop(ctx, o.connections, d)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Closed loop: %d connections, each sends when its last request was answered; %d runs of %v\n\n", o.connections, o.runs, o.duration)
	if err := closed.print(w); err != nil {
		return err
	}
	rate := o.rate
	if rate == 0 {
		rate = min(closed.perSecond(closed.signed), closed.perSecond(closed.plain)) / 2
	}
	open, err := r.compare(ctx, o, func(t target, d time.Duration) (sample, error) {
		return t.openLoop(ctx, o.connections, rate, d)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nOpen loop: %.0f requests a second, whatever becomes of them; times from when each was due\n\n", rate)
	if err := open.print(w); err != nil {
		return err
	}
	return r.printProcessorTime(w, warm, closed, open)
}

// printProcessorTime ends the processes and prints what a request has cost
// them, start and sign-in included. It is less disturbed by what else runs on the machine
// than all times above.
func (r *rig) printProcessorTime(w io.Writer, all ...compared) error {
	var signed, plain int
	for _, c := range all {
		signed += answered(c.signed)
		plain += answered(c.plain)
	}
	perRequest := func(addr string, requests int) (cost time.Duration) {
		for _, p := range r.parts {
			if p.addr == addr {
				cost = p.stop() / time.Duration(max(requests, 1))
			}
		}
		return cost
	}
	plainCost, signedCost := perRequest(r.plain.addr, plain), perRequest(r.signed.addr, signed)
	_, err := fmt.Fprintf(w, "\nProcessor time for a request: reverse_proxy %v, zoom_pkce + reverse_proxy %v\n",
		plainCost.Round(100*time.Nanosecond), signedCost.Round(100*time.Nanosecond))
	return err
}

func answered(samples []sample) (n int) {
	for _, s := range samples {
		n += len(s.latencies)
	}
	return n
}

// compare measures both targets in turns. Which one is first changes.
func (r *rig) compare(ctx context.Context, o options, one func(target, time.Duration) (sample, error)) (c compared, err error) {
	for run := range o.runs {
		order := []target{r.signed, r.plain}
		if run%2 == 1 {
			slices.Reverse(order)
		}
		for _, t := range order {
			if err := ctx.Err(); err != nil {
				return c, err
			}
			s, err := one(t, o.duration)
			if err != nil {
				return c, fmt.Errorf("measuring %s: %w", t.addr, err)
			}
			if t.addr == r.signed.addr {
				c.signed = append(c.signed, s)
			} else {
				c.plain = append(c.plain, s)
			}
		}
	}
	return c, nil
}

func (c compared) perSecond(samples []sample) float64 {
	return medianOf(samples, func(s sample) float64 { return s.perSecond })
}

// print writes a table. The ratio is the median of the runs' ratios: what
// disturbed a run disturbed both.
func (c compared) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\trequests/s\tp50\tp90\tp99\tp99.9\t")
	for _, row := range []struct {
		name    string
		samples []sample
	}{{"reverse_proxy", c.plain}, {"zoom_pkce + reverse_proxy", c.signed}} {
		fmt.Fprintf(table, "%s\t%.0f\t", row.name, c.perSecond(row.samples))
		for _, q := range []float64{.5, .9, .99, .999} {
			latency := medianOf(row.samples, func(s sample) float64 { return float64(s.quantile(q)) })
			fmt.Fprintf(table, "%v\t", time.Duration(latency).Round(time.Microsecond))
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	ratios := make([]float64, len(c.signed))
	for i := range ratios {
		ratios[i] = c.signed[i].perSecond / c.plain[i].perSecond
	}
	_, err := fmt.Fprintf(w, "\nratio %.3f, the median of %d runs (%.3f to %.3f)\n", median(ratios), len(ratios), slices.Min(ratios), slices.Max(ratios))
	return err
}

func medianOf(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return median(values)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
