package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"
)

// warmUp is how many sign-ins a process has before those that count.
const warmUp = 20

// cold is what a sign-in costs, and the first request of a session in a process
// beyond what another one costs, in one run.
type cold struct {
	signIn, first time.Duration
	redis         time.Duration // a sign-in, for Redis; with two first requests of others
}

// measureSignIns measures sign-ins, and what follows them after a restart.
func measureSignIns(ctx context.Context, r *rig, o options, w io.Writer) error {
	stores := []string{"files", "Redis"}
	if _, err := exec.LookPath("redis-server"); err != nil {
		stores = stores[:1]
	}
	samples := make(map[string][]cold)
	for range o.runs {
		for _, store := range stores {
			c, err := r.cold(ctx, store, o.signIns)
			if err != nil {
				return fmt.Errorf("on %s: %w", store, err)
			}
			samples[store] = append(samples[store], c)
		}
	}
	fmt.Fprintf(w, "Sign-ins, from page load to return, and first requests after a restart: %d of each, medians of %d runs, processor time\n\n",
		o.signIns, o.runs)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tsign-in\tfrom\tto\tof Redis\tadded to a first request\t")
	for _, store := range stores {
		all := samples[store]
		signIns := slices.SortedFunc(slices.Values(all), func(a, b cold) int { return int(a.signIn - b.signIn) })
		fmt.Fprintf(table, "%s\t%v\t%v\t%v\t%v\t%v\t\n", store, medianTime(all, func(c cold) time.Duration { return c.signIn }),
			rounded(signIns[0].signIn), rounded(signIns[len(all)-1].signIn),
			medianTime(all, func(c cold) time.Duration { return c.redis }), medianTime(all, func(c cold) time.Duration { return c.first }))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

func medianTime[T any](samples []T, of func(T) time.Duration) time.Duration {
	return rounded(time.Duration(medianOf(samples, func(s T) float64 { return float64(of(s)) })))
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// cold measures with n sign-ins and sessions. What is looked for is the difference of two
// processes.
func (r *rig) cold(ctx context.Context, store string, n int) (c cold, err error) {
	dir, err := r.newDir()
	if err != nil {
		return c, err
	}
	options := []string{"zak off"} // it would be a third call to Zoom
	if store == "Redis" {
		redis, err := r.startRedis(ctx)
		if err != nil {
			return c, err
		}
		defer func() { c.redis = redis.stop() / time.Duration(n) }()
		options = append(options, redisStore(redis.addr))
	}
	few, _, err := r.signInCost(ctx, dir, options, warmUp)
	if err != nil {
		return c, err
	}
	many, cookies, err := r.signInCost(ctx, dir, options, warmUp+n)
	if err != nil {
		return c, err
	}
	firsts, err := r.visitCost(ctx, dir, options, cookies)
	if err != nil {
		return c, err
	}
	again, err := r.visitCost(ctx, dir, options, slices.Repeat(cookies[:1], len(cookies)))
	if err != nil {
		return c, err
	}
	c.signIn, c.first = (many-few)/time.Duration(n), (firsts-again)/time.Duration(len(cookies))
	return c, nil
}

// signInCost is what a process costs in which n visitors sign in, one after the other,
// and their cookies. Every user has some browsers.
func (r *rig) signInCost(ctx context.Context, dir string, options []string, n int) (cost time.Duration, cookies []string, err error) {
	s, err := r.signedIn(ctx, nil, dir, options...)
	if err != nil {
		return 0, nil, err
	}
	v, err := newVisitor(s.addr)
	if err != nil {
		return 0, nil, err
	}
	defer v.close()
	for i := range n {
		cookie, _, err := v.signIn(ctx, r.zoom, r.user(i%max(n/5, 1)), "/app")
		if err != nil {
			return 0, nil, err
		}
		cookies = append(cookies, cookie)
	}
	return s.stop(), cookies, nil
}

// visitCost is what a process costs that answers a request of each session.
func (r *rig) visitCost(ctx context.Context, dir string, options, cookies []string) (time.Duration, error) {
	s, err := r.signedIn(ctx, nil, dir, options...)
	if err != nil {
		return 0, err
	}
	v, err := newVisitor(s.addr)
	if err != nil {
		return 0, err
	}
	defer v.close()
	for _, cookie := range cookies {
		resp, _, err := v.open("/app", cookie)
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("a session of before the restart got %s", resp.Status)
		}
	}
	return s.stop(), nil
}

func redisStore(addr string) string { return "session {\nstore redis redis://" + addr + "\n}" }
