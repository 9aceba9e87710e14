package storecheck_test

import (
	"context"
	"errors"
	"fmt"
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
	adopted  error
}

func (m manager) ProveWritable(ctx context.Context) error {
	if m.writable != nil {
		return m.writable()
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m manager) AdoptFormerSecret(context.Context) error { return m.adopted }

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
		"all is well":               {manager{writable: fine, survey: surveyed(zoompkce.Survey{Looked: 3, All: true})}, time.Hour, "", 0},
		"cannot be written":         {manager{writable: func() error { return broken }, survey: surveyed(zoompkce.Survey{})}, time.Hour, "the session store cannot be written", 0},
		"cannot be read":            {manager{writable: fine, survey: func() (zoompkce.Survey, error) { return zoompkce.Survey{}, broken }}, time.Hour, "the session store cannot be read", 0},
		"the secret cannot be read": {manager{fine, lost, broken}, time.Hour, "the session store cannot be read", 0},
		"a store that hangs":        {manager{}, time.Hour, "the session store cannot be written", 10 * time.Second},
		"stopped while it hung":     {manager{}, time.Second, "", time.Second},
		"another secret":            {manager{writable: fine, survey: lost}, time.Hour, "the cookie secret does not open the 3 records that were looked at", 0},
		"and a former one": {
			manager{writable: fine, survey: both},
			time.Hour,
			"the cookie secret does not open 1 of all 3 records|the session store still holds the generated cookie secret",
			0,
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

// What an operator is told fits what was found.
func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		survey zoompkce.Survey
		want   []string // grave or not, the message and the beginning of the advice, a line each
	}{
		"nothing is sealed": {zoompkce.Survey{All: true}, nil},
		"one of one": {zoompkce.Survey{Looked: 1, Unopened: 1, All: true, Secrets: []string{"a"}}, []string{
			"true the cookie secret does not open the one record in the session store: their users get 503: write the secret that sealed them ",
		}},
		"two of two": {zoompkce.Survey{Looked: 2, Unopened: 2, All: true, Secrets: []string{"a"}}, []string{
			"true the cookie secret does not open all 2 records in the session store: their users get 503: write the secret that sealed them ",
		}},
		"the generated secret is lost": {zoompkce.Survey{Looked: 2, Unopened: 1, All: true}, []string{
			"true there is no generated cookie secret any more, and nothing opens all 2 records in the session store: their users get 503: " +
				"put " + zoompkce.SecretKey("0a1b2c3d") + " back ",
		}},
		"a former secret": {zoompkce.Survey{Looked: 2, All: true, Secrets: []string{"a", "b"}, Former: "b"}, []string{
			"false the session store still holds the generated cookie secret from before cookie secret was written: " +
				"it opens what it has sealed, and seals nothing any more: remove " + zoompkce.SecretKey("0a1b2c3d") + " ",
		}},
	} {
		found := storecheck.Judge(tt.survey, "0a1b2c3d", "TheApp")
		if len(found) != len(tt.want) {
			t.Fatalf("%s: %+v", name, found)
		}
		for i, f := range found {
			if got := fmt.Sprintf("%v %s: %s", f.Grave, f.Message, f.Advice); !strings.HasPrefix(got, tt.want[i]) {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}
