package programs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDocumentCache(t *testing.T) {
	newCache := func(fetch func(id string) (*document, time.Duration, error)) *documentCache {
		c := newDocumentCache(newDocumentFetcher())
		c.fetch = living(fetch)
		return c
	}
	t.Run("lives as long as its server says, within bounds", func(t *testing.T) {
		for said, kept := range map[time.Duration]time.Duration{0: time.Minute, time.Hour: time.Hour, 1000 * time.Hour: 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				fetched := 0
				c := newCache(func(id string) (*document, time.Duration, error) { fetched++; return &document{ID: id}, said, nil })
				for _, wait := range []time.Duration{0, kept - 1, 1} {
					time.Sleep(wait)
					if d, err := c.get(t.Context(), "ada", "a"); err != nil || d.ID != "a" {
						t.Fatal(err)
					}
				}
				if fetched != 2 {
					t.Errorf("%v: %d fetched", said, fetched)
				}
			})
		}
	})
	t.Run("failures are not kept, and counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fetched := 0
			c := newCache(func(string) (*document, time.Duration, error) { fetched++; return nil, 0, errors.New("down") })
			for n, want := range []int{10, 20, 30, 30} {
				var err error
				for range 100 {
					_, err = c.get(t.Context(), fmt.Sprint("user ", n), "a")
				}
				time.Sleep(10 * time.Second)
				if busy, ok := errors.AsType[*BusyError](err); !ok || busy.RetryAfter != time.Minute-time.Duration(n)*10*time.Second {
					t.Errorf("%d users: %v", n+1, err)
				}
				if fetched != want {
					t.Errorf("%d fetched in a minute, for %d users", fetched, n+1)
				}
			}
			time.Sleep(20 * time.Second)
			for range 11 {
				_, _ = c.get(t.Context(), "user 0", "a")
			}
			if fetched != 40 {
				t.Errorf("%d fetched after it", fetched)
			}
		})
	})
	t.Run("once for all, four at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running, most, fetched, refused atomic.Int32
			c := newCache(func(id string) (*document, time.Duration, error) {
				fetched.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
				return &document{ID: id}, 0, nil
			})
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					if _, err := c.get(t.Context(), "ada", fmt.Sprint(i%6)); err != nil {
						if busy, ok := errors.AsType[*BusyError](err); !ok || busy.RetryAfter != fetchTimeout {
							t.Error(err)
						}
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			if most.Load() != 4 || fetched.Load() != 4 || refused.Load() != 20 {
				t.Errorf("%d at a time, %d fetched, %d refused", most.Load(), fetched.Load(), refused.Load())
			}
		})
	})
	t.Run("256 are kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(func(id string) (*document, time.Duration, error) { return &document{ID: id}, 24 * time.Hour, nil })
			for i := range 300 {
				time.Sleep(2 * time.Second)
				if _, err := c.get(t.Context(), fmt.Sprint(i%3), fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if len(c.kept) != 256 {
				t.Errorf("%d kept", len(c.kept))
			}
			time.Sleep(24 * time.Hour)
			if _, err := c.get(t.Context(), "ada", "another"); err != nil || len(c.kept) != 1 {
				t.Errorf("%d kept when they are over, %v", len(c.kept), err)
			}
		})
	})
}
