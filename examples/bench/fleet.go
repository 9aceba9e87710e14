package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/redisstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// fleet is two Caddys on one Redis.
type fleet struct {
	redis   *part
	meter   *meter
	store   *redisstore.Store
	cookies []string
	caddys  []site
	table   *tabwriter.Writer
}

// measureFleet measures what one Redis carries.
func measureFleet(ctx context.Context, r *rig, o options, w io.Writer) (err error) {
	f := &fleet{table: tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
	if f.redis, err = r.startRedis(ctx); err != nil {
		return err
	}
	f.meter = newMeter(f.redis.addr)
	defer f.meter.close()
	f.store = &redisstore.Store{URLs: []string{"redis://" + f.redis.addr}}
	if err := f.store.Provision(caddy.Context{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Cleanup()) }()

	fmt.Fprintf(w, "A fleet: two Caddys with 'cache_size %d' on one Redis, %d connections to each; what is of Redis is for one of them\n\n", o.users, o.connections)
	fmt.Fprintln(f.table, "\tof them\ta second\tcommands of Redis\tits processor time\t")
	if err := f.signIn(ctx, r, o.users); err != nil {
		return err
	}
	if err := f.visit(ctx, r, o); err != nil {
		return err
	}
	if err := f.list(ctx, r); err != nil {
		return err
	}
	memory := make([]string, len(f.caddys))
	for i, s := range f.caddys {
		memory[i] = residentMemory(s.part)
	}
	if err := f.table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nMemory: %d bytes a user in Redis; the Caddys have %s with %d users each\n\n",
		(f.meter.last.memory-f.meter.first.memory)/int64(o.users), strings.Join(memory, " and "), o.users)
	return err
}

// row measures what is done n times.
func (f *fleet) row(ctx context.Context, what string, do func() (n int, err error)) error {
	before, err := f.meter.read(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	n, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	took := time.Since(began)
	after, err := f.meter.read(ctx)
	if err != nil {
		return err
	}
	n = max(n, 1)
	fmt.Fprintf(f.table, "%s\t%d\t%.0f\t%.2f\t%v\t\n", what, n, float64(n)/took.Seconds(),
		float64(after.commands-before.commands)/float64(n), ((after.cpu - before.cpu) / time.Duration(n)).Round(100*time.Nanosecond))
	return nil
}

// signIn signs everybody in, without a browser and a Caddy.
func (f *fleet) signIn(ctx context.Context, r *rig, users int) error {
	manager, err := newFleetManager(r.zoom.URL, f.store)
	if err != nil {
		return err
	}
	defer manager.Close()
	f.cookies = make([]string, users)
	const parallel = 8
	return f.row(ctx, "sign-ins", func() (int, error) {
		errs := make([]error, parallel)
		var wg sync.WaitGroup
		for i := range parallel {
			wg.Go(func() {
				for n := i; n < users && errs[i] == nil; n += parallel {
					f.cookies[n], errs[i] = signInWithout(ctx, manager, n)
				}
			})
		}
		wg.Wait()
		return users, errors.Join(errs...)
	})
}

func signInWithout(ctx context.Context, m *zoompkce.Manager, n int) (cookie string, err error) {
	login, _, err := m.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: "http://127.0.0.1/zoom_pkce/callback", ReturnURL: "/"})
	if err != nil {
		return "", err
	}
	signedIn, err := m.SignIn(ctx, login, strconv.Itoa(n), nil)
	if err != nil {
		return "", err
	}
	return signedIn.Cookie.Name + "=" + signedIn.Cookie.Value, nil
}

// visit sends a request of everybody to each Caddy, and then those of some, at random.
func (f *fleet) visit(ctx context.Context, r *rig, o options) error {
	headers := make([]string, len(f.cookies))
	for i, n := range rand.Perm(len(f.cookies)) {
		headers[i] = "Cookie: " + f.cookies[n] + "\r\n"
	}
	var targets []target
	for range 2 {
		dir, err := r.newDir()
		if err != nil {
			return err
		}
		s, err := r.signedIn(ctx, nil, dir, "zak off", "cookie {\nsecret "+fleetSecret+"\n}",
			fmt.Sprintf("session {\nstore redis redis://%s\ncache_size %d\n}", f.redis.addr, o.users))
		if err != nil {
			return err
		}
		f.caddys = append(f.caddys, s)
		targets = append(targets, newTarget(s.addr, headers...))
	}
	both := func(send func(target) (sample, error)) (n int, err error) {
		var samples [2]sample
		var errs [2]error
		var wg sync.WaitGroup
		for i, t := range targets {
			wg.Go(func() { samples[i], errs[i] = send(t) })
		}
		wg.Wait()
		return len(samples[0].latencies) + len(samples[1].latencies), errors.Join(errs[:]...)
	}
	if err := f.row(ctx, "first requests", func() (int, error) {
		return both(func(t target) (sample, error) { return t.once(ctx, o.connections) })
	}); err != nil {
		return err
	}
	return f.row(ctx, "further requests", func() (int, error) {
		return both(func(t target) (sample, error) {
			return t.closedLoop(ctx, o.connections, time.Duration(o.runs)*o.duration)
		})
	})
}

// list goes through the users, as the admin API does for a page of them.
func (f *fleet) list(ctx context.Context, r *rig) error {
	return f.row(ctx, "users listed", func() (n int, err error) {
		for cursor := ""; ; {
			keys, next, err := f.store.List(ctx, "zoom_pkce/"+appID(r.zoom.URL)+"/", cursor)
			if n += len(keys); err != nil || next == "" {
				return n, err
			}
			cursor = next
		}
	})
}

// residentMemory is how much memory a process has, where ps can tell.
func residentMemory(p *part) string {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	kib, parseErr := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || parseErr != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d MiB", kib>>10)
}
