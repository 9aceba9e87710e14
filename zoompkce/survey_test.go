package zoompkce_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func (p *process) survey() zoompkce.Survey {
	p.Helper()
	s, err := p.Survey(ctx, 100)
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// A look at the store tells whether the secrets are the right ones, and changes
// nothing.
func TestSurvey(t *testing.T) {
	first, second, generated := secrets(firstSecret), secrets(secondSecret), secrets()
	t.Run("nothing there", func(t *testing.T) {
		bubble(t, func(w *world) {
			for _, with := range []func(*zoompkce.ManagerConfig){first, generated} {
				if s := w.process(with).survey(); s.Looked != 0 || !s.All || s.Former != "" {
					t.Errorf("%+v", s)
				}
			}
			if n := w.store.counted("swap"); n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	})
	t.Run("all open", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			p.signIn("ada")
			p.signIn("bob")
			if s := w.process(generated).survey(); s.Looked != 2 || s.Unopened != 0 || !s.All || len(s.Secrets) != 1 || len(s.Sealed) != 0 {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("another secret, and both", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(first)
			p.signIn("ada")
			w.process(second).signIn("bob")
			theirs, ours := p.survey(), w.process(second).survey()
			if ours.Looked != 2 || ours.Unopened != 1 || !slices.Equal(ours.Sealed, theirs.Secrets) || !slices.Equal(theirs.Sealed, ours.Secrets) {
				t.Errorf("%+v, %+v", ours, theirs)
			}
			if s := w.process(secrets(firstSecret, secondSecret)).survey(); s.Unopened != 0 || len(s.Secrets) != 2 {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("no more than asked for", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(first)
			for _, user := range []string{"ada", "bob", "eve"} {
				w.zoom.AddUser(zoomtest.User{ID: user})
				p.signIn(user)
			}
			if s, err := p.Survey(ctx, 2); err != nil || s.Looked != 2 || s.All {
				t.Errorf("%+v, %v", s, err)
			}
		})
	})
	t.Run("the generated secret is gone", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(generated).signIn("ada")
			w.wipe("/secret")
			if s := w.process(generated).survey(); s.Looked != 1 || s.Unopened != 1 || len(s.Secrets) != 0 {
				t.Errorf("%+v", s)
			}
			if s := w.process(first).survey(); s.Unopened != 1 || s.Former != "" {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("what lies in its place is none", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.plant([]byte("short"))
			if s, err := w.process(generated).Survey(ctx, 100); !errors.As(err, new(*zoompkce.StoreError)) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	})
	t.Run("the generated secret opens beside an own one", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(generated)
			p.signIn("ada")
			s := w.process(first).survey()
			if s.Unopened != 0 || len(s.Secrets) != 2 || s.Former != s.Secrets[1] || !slices.Equal(p.survey().Secrets, s.Secrets[1:]) {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("two other secrets, each named once", func(t *testing.T) {
		bubble(t, func(w *world) {
			third := secrets(slices.Concat(firstSecret, secondSecret))
			for i := range 8 {
				id := fmt.Sprint("user", i)
				w.zoom.AddUser(zoomtest.User{ID: id})
				w.process([]func(*zoompkce.ManagerConfig){first, second}[i%2]).signIn(id)
			}
			if s := w.process(third).survey(); s.Unopened != 8 || len(s.Sealed) != 2 {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("in one shard of very many", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(first)
			for i := range 20 {
				for _, shard := range []string{"00", "ff"} {
					key := fmt.Sprintf("zoom_pkce/%s/%s/%s%062x", zoomapi.AppID(w.zoom.URL, w.app.ClientID), shard, shard, i)
					_, err := w.store.Swap(ctx, key, "", []byte{1, 2, 3}, time.Time{})
					w.must(err)
				}
			}
			if s, err := p.Survey(ctx, 7); err != nil || s.Looked != 7 || s.Unopened != 7 || s.All {
				t.Errorf("%+v, %v", s, err)
			}
			w.store.pass("load", 1+3) // the secret and three records
			w.store.add(storeRule{op: "load", times: 1, err: zoompkce.ErrStoreClosed})
			if s, err := p.Survey(ctx, 7); !errors.As(err, new(*zoompkce.StoreError)) || s.Looked != 3 || s.All {
				t.Errorf("%+v, %v", s, err)
			}
		})
	})
	t.Run("trouble", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.process(first).signIn("ada")
			w.store.hang("any")
			p := w.process(first)
			soon, cancel := contextWithCancel()
			time.AfterFunc(3*time.Second, cancel)
			w.took(3*time.Second, func() {
				if _, err := p.Survey(soon, 100); !errors.As(err, new(*zoompkce.StoreError)) {
					t.Errorf("%v", err)
				}
			})
		})
	})
}

// manyUsers signs users in that nothing but the store is asked about.
func (w *world) manyUsers(p *process, n int) {
	for i := range n {
		id := fmt.Sprint("user", i)
		w.zoom.AddUser(zoomtest.User{ID: id})
		p.signIn(id)
	}
}

// Whoever has lost a secret finds what does not open any more, and ends it.
func TestUnopenableRecordsAndTheirEnd(t *testing.T) {
	bubble(t, func(w *world) {
		lost, p := w.process(secrets(firstSecret)), w.process(secrets(secondSecret))
		w.manyUsers(lost, 3)
		b := p.signIn("ada")
		page, err := p.UnopenableRecords(ctx, "")
		if err != nil || page.Looked != 4 || len(page.Unopenable) != 3 || page.Cursor != "" || !slices.Equal(page.Secrets, p.survey().Secrets) {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, r := range page.Unopenable {
			if r.KeyID != lost.survey().Secrets[0] || !strings.Contains(r.Reason, "not among the cookie secrets") ||
				!strings.HasPrefix(r.Record, "zoom_pkce/"+zoomapi.AppID(w.zoom.URL, w.app.ClientID)+"/") {
				t.Errorf("%+v", r)
			}
		}
		p.works(b)

		ended, failed, next, err := p.EndUsers(ctx, "")
		if err != nil || ended != 4 || failed != 0 || next != "" {
			t.Fatalf("%d, %d, %q, %v", ended, failed, next, err)
		}
		p.signedOut(b)
		if page, err := p.UnopenableRecords(ctx, ""); err != nil || len(page.Unopenable) != 0 {
			t.Errorf("%+v, %v", page, err)
		}
		p.works(p.signIn("user1")) // in at once
		if ended, _, _, err := p.EndUsers(ctx, ""); ended != 1 || err != nil {
			t.Errorf("%d, %v", ended, err)
		}
	})
}

func TestEndUsersOfAnOperatorWhoLeaves(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		gone, leave := contextWithCancel()
		leave()
		w.store.add(storeRule{op: "load", times: 1, delay: time.Millisecond})
		if ended, failed, _, err := p.EndUsers(gone, ""); ended != 1 || failed != 0 || err != nil {
			w.Errorf("%d ended, %d failed, %v", ended, failed, err)
		}
		p.signedOut(b)
	})
}

func TestEndUsersGoesByPages(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		w.manyUsers(p, 230)
		var got []int
		cursor := ""
		for range 10 {
			ended, failed, next, err := p.EndUsers(ctx, cursor)
			if err != nil || failed != 0 {
				t.Fatal(failed, err)
			}
			got = append(got, ended)
			if cursor = next; cursor == "" {
				break
			}
		}
		w.manyUsers(p, 101)
		w.store.fail("swap", -1)
		if ended, failed, next, err := p.EndUsers(ctx, ""); ended != 0 || failed != 100 || next == "" || err != nil {
			t.Errorf("in trouble with each: %d, %d, %q, %v", ended, failed, next, err)
		}
		w.store.heal()
		if !slices.Equal(got, []int{100, 100, 30}) {
			t.Errorf("%v", got)
		}
		for _, cursor := range []string{"!", "AAAA", "bm9uZQ"} {
			if _, _, _, err := p.EndUsers(ctx, cursor); cursor != "AAAA" && !errors.Is(err, zoompkce.ErrCursor) {
				t.Errorf("%q: %v", cursor, err)
			}
		}
		w.store.fail("any", -1)
		if _, err := p.UnopenableRecords(ctx, ""); !errors.As(err, new(*zoompkce.StoreError)) {
			t.Errorf("%v", err)
		}
	})
}

// scanned lists as Redis does: a few keys at a time from a place on, and what has gone makes room
// for others.
type scanned struct{ zoompkce.Store }

func (s scanned) List(ctx context.Context, prefix, cursor string) (page []string, next string, err error) {
	keys, _, err := s.Store.List(ctx, prefix, "")
	place := func(key string) string {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(place(a), place(b)) })
	for _, key := range keys {
		if len(page) == 150 {
			return page, place(key), err
		}
		if place(key) >= cursor {
			page = append(page, key)
		}
	}
	return page, "", err
}

// What is removed from a page that the store has begun does not hide others.
func TestEndUsersOfAStoreThatScans(t *testing.T) {
	bubble(t, func(w *world) {
		w.manyUsers(w.process(secrets(firstSecret)), 400)
		w.store.Store = scanned{w.store.Store}
		p := w.process(secrets(secondSecret))
		page, err := p.UnopenableRecords(ctx, "")
		if err != nil || page.Looked != 400 || len(page.Unopenable) != 400 || page.Cursor != "" {
			t.Errorf("%d looked at, cursor %q, %v", page.Looked, page.Cursor, err)
		}
		all, pages, cursor := 0, 0, ""
		for first := true; (first || cursor != "") && pages < 10; first = false {
			ended, failed, next, err := p.EndUsers(ctx, cursor)
			if err != nil || failed != 0 || ended > 250 {
				t.Fatal(ended, failed, err)
			}
			all, pages, cursor = all+ended, pages+1, next
		}
		if all != 400 || pages < 3 {
			t.Errorf("%d ended on %d pages", all, pages)
		}
		w.manyUsers(w.process(secrets(firstSecret)), 400)
		lists := w.store.counted("list")
		if s, err := p.Survey(ctx, 7); err != nil || s.Looked != 7 || s.All {
			t.Errorf("%+v, %v", s, err)
		}
		if n := w.store.counted("list") - lists; n != 2 {
			t.Errorf("listed %d times", n)
		}
		for _, limit := range []int{399, 400} {
			if s, err := p.Survey(ctx, limit); err != nil || s.Looked != limit || s.All {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

// What cannot be ended now is counted if it is one user's trouble, and an error if it is
// the store's; nobody is passed over.
func TestEndUsersInStoreTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		rule    storeRule
		failed  int
		trouble bool
	}{
		"the secret is not read":   {storeRule{op: "load", times: 1, err: errStoreDown}, 0, true},
		"no record can be read":    {storeRule{op: "load", times: 1, err: zoompkce.ErrStoreClosed}, 0, true},
		"the connection breaks":    {storeRule{op: "load", times: 1, err: &net.OpError{Op: "read", Err: io.EOF}}, 0, true},
		"no record can be written": {storeRule{op: "swap", times: 1, err: zoompkce.ErrStoreClosed}, 0, true},
		"one cannot be written":    {storeRule{op: "swap", times: 1, err: errStoreDown}, 1, false},
		"none can be written":      {storeRule{op: "swap", times: 2, err: errStoreDown}, 2, false},
		"the keys are not listed":  {storeRule{op: "list", times: 1, err: errStoreDown}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(secrets())
				p.signIn("ada")
				w.process(secrets(secondSecret)).signIn("bob") // whose record does not open
				if test.rule.op == "load" && !errors.Is(test.rule.err, errStoreDown) {
					w.store.pass("load", 1) // the secret
				}
				w.store.add(test.rule)
				ended, failed, _, err := p.EndUsers(ctx, "")
				if test.trouble != errors.As(err, new(*zoompkce.StoreError)) || failed != test.failed || !test.trouble && ended != 2-failed {
					w.Errorf("%d ended, %d failed, %v", ended, failed, err)
				}
				again, failed, _, err := p.EndUsers(ctx, "")
				if ended+again != 2 || failed != 0 || err != nil {
					w.Errorf("and then %d ended, %d failed, %v", again, failed, err)
				}
			})
		})
	}
}
