package caddystore

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
)

func BenchmarkCaddyStore(b *testing.B) {
	if testing.Short() {
		b.Skip("stores 100,000 users first")
	}
	storage := &certmagic.FileStorage{Path: b.TempDir()}
	// Not through the store, which waits for the disk with each of them.
	for n := range storebench.Users {
		file := storage.Filename(storebench.Key(n))
		if n < storebench.Shards {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				b.Fatal(err)
			}
		}
		record := newEnvelope(storebench.Value, time.Now().Add(time.Hour)).marshal()
		if err := os.WriteFile(file, record, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	exec.Command("sync").Run() // where there is one: else the disk has yet to write all that
	store := New(storage, zap.NewNop())
	storebench.Measure(b, store)
	b.Run("sweep a shard, none expired", func(b *testing.B) {
		shard := 0
		for b.Loop() {
			if _, err := store.SweepShard(b.Context(), storebench.Shard(shard)); err != nil {
				b.Fatal(err)
			}
			shard++
		}
		b.ReportMetric(float64(shard)*storebench.Users/storebench.Shards/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("remove an expired record", func(b *testing.B) {
		expired := newEnvelope(storebench.Value, time.Now().Add(-time.Second)).marshal()
		n := 0
		for b.Loop() {
			b.StopTimer()
			key := storebench.Key(storebench.Users + n)
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
