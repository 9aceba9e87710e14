package caddymodule

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// benchUsers is how many users a store has that is measured.
const benchUsers = 100_000

// benchValue is about as long as the sealed record of a user with a few sessions.
var benchValue = bytes.Repeat([]byte("x"), 2500)

func BenchmarkCaddyStore(b *testing.B) {
	if testing.Short() {
		b.Skip("stores 100,000 users first")
	}
	storage := &certmagic.FileStorage{Path: b.TempDir()}
	// Not through the store, which waits for the disk with each of them.
	for n := range benchUsers {
		file := storage.Filename(testKey(n))
		if n < sweepShards {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				b.Fatal(err)
			}
		}
		record := newEnvelope(benchValue, time.Now().Add(time.Hour)).marshal()
		if err := os.WriteFile(file, record, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	exec.Command("sync").Run() // where there is one: else the disk has yet to write all that
	store := newCaddyStore(storage, zap.NewNop())
	benchStore(b, store)
	b.Run("sweep a shard, none expired", func(b *testing.B) {
		shard := 0
		for b.Loop() {
			if _, err := store.SweepShard(b.Context(), fmt.Sprintf("%s%02x/", testApp, shard%sweepShards)); err != nil {
				b.Fatal(err)
			}
			shard++
		}
		b.ReportMetric(float64(shard)*benchUsers/sweepShards/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("remove an expired record", func(b *testing.B) {
		expired := newEnvelope(benchValue, time.Now().Add(-time.Second)).marshal()
		n := 0
		for b.Loop() {
			b.StopTimer()
			key := testKey(benchUsers + n)
			n++
			if err := os.WriteFile(storage.Filename(key), expired, 0o600); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if err := store.remove(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRedisStore(b *testing.B) {
	if testing.Short() {
		b.Skip("stores 100,000 users first")
	}
	server := redistest.Start(b)
	store := &RedisStore{URLs: []string{server.URL()}}
	if err := store.Provision(caddy.Context{}); err != nil {
		b.Fatal(err)
	}
	defer store.Cleanup()
	stored := redisMark + newVersion() + "\n" + string(benchValue)
	for n := 0; n < benchUsers; n += 1000 {
		pipe := store.client.Pipeline()
		for i := range 1000 {
			pipe.Set(b.Context(), testKey(n+i), stored, time.Hour)
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	benchStore(b, store)
}

func benchStore(b *testing.B, store zoompkce.Store) {
	load := func(b *testing.B, n int) string {
		_, version, err := store.Load(b.Context(), testKey(n*7919%benchUsers))
		if err != nil {
			b.Fatal(err)
		}
		return version
	}
	change := func(b *testing.B, n int) {
		if _, err := store.Swap(b.Context(), testKey(n*7919%benchUsers), load(b, n), benchValue, time.Now().Add(time.Hour)); err != nil {
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
				_, next, err := store.List(b.Context(), fmt.Sprintf("%s%02x/", testApp, n%sweepShards), cursor)
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
