package redisstore

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

func BenchmarkRedisStore(b *testing.B) {
	if testing.Short() {
		b.Skip("stores 100,000 users first")
	}
	server := redistest.Start(b)
	store := &Store{URLs: []string{server.URL()}}
	if err := store.Provision(caddy.Context{}); err != nil {
		b.Fatal(err)
	}
	defer store.Cleanup()
	stored := redisMark + storecall.NewVersion() + "\n" + string(storebench.Value)
	for n := 0; n < storebench.Users; n += 1000 {
		pipe := store.client.Pipeline()
		for i := range 1000 {
			pipe.Set(b.Context(), storebench.Key(n+i), stored, time.Hour)
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	storebench.Measure(b, store)
}
