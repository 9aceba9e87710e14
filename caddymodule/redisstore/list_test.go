package redisstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/redistest"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// Of many pages each user is on one, and nothing else is.
func TestRedisListOfManyPages(t *testing.T) {
	server := redistest.Start(t)
	const users = 5000
	server.Do(t, "eval", `for n = 1, tonumber(ARGV[2]) do
		redis.call('set', string.format('%s%02x/%064x', ARGV[1], n % 256, n), '')
		redis.call('set', string.format('%ssweep%d', ARGV[1], n), '')
	end
	return 1`, 0, storebench.App, users)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	listed := make(map[string]bool)
	cursor := ""
	for range users {
		keys, next, err := store.List(t.Context(), storebench.App, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			listed[key] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	for n := range users {
		if !listed[storebench.Key(n+1)] {
			t.Fatalf("user %d is on no page", n+1)
		}
	}
	if len(listed) != users {
		t.Errorf("listed %d keys of %d users", len(listed), users)
	}
}

// A page that there is not is no empty one, after which a listing would be complete.
func TestRedisListFromNowhere(t *testing.T) {
	server := redistest.Start(t)
	store := openRedis(t, &Store{URLs: []string{server.URL()}})
	for _, cursor := range []string{"garbage", "12", "a@", "@", "0@gone:1"} {
		if keys, next, err := store.List(t.Context(), storebench.App, cursor); err == nil {
			t.Errorf("from %q: %q, %q", cursor, keys, next)
		}
	}
}

func TestRedisListOfAClusterThatIsGone(t *testing.T) {
	store := openRedis(t, &Store{URLs: []string{"redis://127.0.0.1:" + testkit.FreePort(t)}, Cluster: true})
	if _, _, err := store.List(t.Context(), storebench.App, ""); !strings.Contains(fmt.Sprint(err), "refused") {
		t.Errorf("got %v", err)
	}
}
