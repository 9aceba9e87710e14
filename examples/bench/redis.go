package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// startRedis starts a Redis that keeps nothing on disk.
func (r *rig) startRedis(ctx context.Context) (*part, error) {
	addr, err := demo.FreeAddress(0)
	if err != nil {
		return nil, err
	}
	p := &part{addr: addr, interrupt: true, cmd: exec.Command("redis-server",
		"--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", demo.PortOf(addr), "--dir", r.dir)}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	r.parts = append(r.parts, p)
	return p, demo.AwaitListener(ctx, "redis-server", "tcp", addr)
}

// meter reads what a Redis says about itself.
type meter struct {
	client      *redis.Client
	first, last reading
}

type reading struct {
	commands, memory int64
	cpu              time.Duration
}

func newMeter(addr string) *meter {
	return &meter{client: redis.NewClient(&redis.Options{Addr: addr})}
}

func (m *meter) close() { m.client.Close() }

func (m *meter) read(ctx context.Context) (reading, error) {
	info, err := m.client.Info(ctx, "everything").Result()
	if err != nil {
		return reading{}, err
	}
	number := func(name string) float64 {
		_, rest, _ := strings.Cut(info, "\n"+name+":")
		value, _, _ := strings.Cut(rest, "\r")
		n, parseErr := strconv.ParseFloat(value, 64)
		if parseErr != nil {
			err = fmt.Errorf("redis tells no %s", name)
		}
		return n
	}
	now := reading{
		commands: int64(number("total_commands_processed")),
		memory:   int64(number("used_memory")),
		cpu:      time.Duration((number("used_cpu_user") + number("used_cpu_sys")) * float64(time.Second)),
	}
	if m.first == (reading{}) {
		m.first = now
	}
	m.last = now
	return now, err
}
