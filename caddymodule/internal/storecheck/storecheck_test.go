package storecheck_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecheck"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// manager answers what it is told to, and hangs if it is told nothing.
type manager struct {
	writable func() error
	survey   func() (zoompkce.Survey, error)
}

func (m manager) ProveWritable(ctx context.Context) error {
	if m.writable != nil {
		return m.writable()
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m manager) AdoptFormerSecret(context.Context) error { return nil }

func (m manager) Survey(ctx context.Context, _ int) (zoompkce.Survey, error) {
	if m.survey != nil {
		return m.survey()
	}
	<-ctx.Done()
	return zoompkce.Survey{}, ctx.Err()
}

// atStart returns the messages of a start whose configuration lives for a time.
func atStart(t *testing.T, m manager, lives time.Duration) (messages []string, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		ctx, cancel := context.WithTimeout(t.Context(), lives)
		defer cancel()
		began := time.Now()
		storecheck.AtStart(ctx, zap.New(core), m, "0a1b2c3d", "TheApp")
		took = time.Since(began)
		for _, entry := range logs.All() {
			if entry.Level != zap.WarnLevel || entry.ContextMap()["client_id"] != "TheApp" || entry.ContextMap()["advice"] == "" {
				t.Errorf("logged %+v", entry)
			}
			messages = append(messages, entry.Message)
		}
	})
	return messages, took
}

func TestAtStart(t *testing.T) {
	fine := func() error { return nil }
	broken := errors.New("read-only file system")
	surveyed := func(s zoompkce.Survey) func() (zoompkce.Survey, error) {
		return func() (zoompkce.Survey, error) { return s, nil }
	}
	lost := surveyed(zoompkce.Survey{Looked: 3, Unopened: 3, Secrets: []string{"a"}, Sealed: []string{"b"}})
	both := surveyed(zoompkce.Survey{Looked: 3, Unopened: 1, All: true, Secrets: []string{"a", "c"}, Sealed: []string{"b"}, Former: "c"})
	for name, tt := range map[string]struct {
		m     manager
		lives time.Duration
		want  string // the beginnings of the messages
		took  time.Duration
	}{
		"all is well":           {manager{fine, surveyed(zoompkce.Survey{Looked: 3, All: true})}, time.Hour, "", 0},
		"cannot be written":     {manager{func() error { return broken }, surveyed(zoompkce.Survey{})}, time.Hour, "the session store cannot be written", 0},
		"cannot be read":        {manager{fine, func() (zoompkce.Survey, error) { return zoompkce.Survey{}, broken }}, time.Hour, "the session store cannot be read", 0},
		"a store that hangs":    {manager{}, time.Hour, "the session store cannot be written", 10 * time.Second},
		"stopped while it hung": {manager{}, time.Second, "", time.Second},
		"another secret":        {manager{fine, lost}, time.Hour, "the cookie secret does not open the 3 records that were looked at", 0},
		"and a former one": {
			manager{fine, both},
			time.Hour,
			"the cookie secret does not open 1 of all 3 records|the session store still holds the generated cookie secret", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, took := atStart(t, tt.m, tt.lives)
			var want []string
			if tt.want != "" {
				want = strings.Split(tt.want, "|")
			}
			if len(got) != len(want) || took != tt.took {
				t.Fatalf("in %v: %q", took, got)
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("%q", got[i])
				}
			}
		})
	}
}
