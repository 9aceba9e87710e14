// Package storebench is what the tests and benchmarks of both session stores share:
// keys, a store that works at all, and the same work measured on each. Nothing but
// tests imports it.
package storebench

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// App is the prefix of the records of an app.
const App = "zoom_pkce/1a2b3c4d/"

// Shards is how many an app's records are spread over.
const Shards = 256

// Users is how many users a store has that is measured.
const Users = 100_000

// Value is about as long as the sealed record of a user with a few sessions.
var Value = bytes.Repeat([]byte("x"), 2500)

// Key is the key of the nth user.
func Key(n int) string { return fmt.Sprintf("%s%02x/%064x", App, n%Shards, n) }

// Shard is the prefix of the nth shard.
func Shard(n int) string { return fmt.Sprintf("%s%02x/", App, n%Shards) }

// Works checks that a store works at all.
func Works(t testing.TB, store zoompkce.Store) {
	t.Helper()
	version, err := store.Swap(t.Context(), Key(1), "", []byte("one"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = store.Swap(t.Context(), Key(1), version, []byte("two"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if value, _, err := store.Load(t.Context(), Key(1)); err != nil || string(value) != "two" {
		t.Fatalf("got %q, %v", value, err)
	}
	if keys, _, err := store.List(t.Context(), App, ""); err != nil || len(keys) != 1 {
		t.Fatalf("listed %v, %v", keys, err)
	}
}

// Measure measures a store that holds Users records.
func Measure(b *testing.B, store zoompkce.Store) {
	load := func(b *testing.B, n int) string {
		_, version, err := store.Load(b.Context(), Key(n*7919%Users))
		if err != nil {
			b.Fatal(err)
		}
		return version
	}
	change := func(b *testing.B, n int) {
		if _, err := store.Swap(b.Context(), Key(n*7919%Users), load(b, n), Value, time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			load(b, n)
		}
	})
	b.Run("load and swap", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			change(b, n)
		}
	})
	b.Run("load and swap, 16 users at a time", func(b *testing.B) {
		var next atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				change(b, int(next.Add(1)))
			}
		})
	})
	b.Run("list a shard", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			for cursor := ""; ; {
				_, next, err := store.List(b.Context(), Shard(n), cursor)
				if err != nil {
					b.Fatal(err)
				}
				if cursor = next; cursor == "" {
					break
				}
			}
		}
	})
}
