package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

// redisPage is how many keys Redis looks at for one page of a listing. Who wants a few takes
// all of a page.
const redisPage = 200

// redisPosition is where a listing goes on: on which node, that node's own cursor, and
// the run of the server that it is of, which means nothing to another. As a string it is
// "<cursor>@<node>@<run>"; the only node of a store that is no Cluster has no name.
type redisPosition struct {
	node   string
	cursor uint64
	run    string
}

// List implements [zoompkce.Store]. Redis looks at all its keys for that, those
// of other programs too. Like the Caddy store, it returns the records of users. It
// fails where another server has taken over meanwhile, as far as its user may ask
// which one it is (INFO). Keys that a Cluster moves to another node meanwhile may be missed.
func (s *Store) List(ctx context.Context, prefix, cursor string) ([]string, string, error) {
	type page struct {
		keys []string
		next string
	}
	p, err := storecall.Do(ctx, s.calls, storecall.Read, func(ctx context.Context) (page, error) {
		keys, next, err := s.scan(ctx, prefix, cursor)
		return page{keys, next}, err
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing %s in redis: %w", prefix, err)
	}
	return p.keys, p.next, nil
}

func (s *Store) scan(ctx context.Context, prefix, cursor string) (keys []string, next string, err error) {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return nil, "", err
	}
	names := slices.Sorted(maps.Keys(nodes))
	if len(names) == 0 {
		return nil, "", errors.New("the cluster has no masters")
	}
	at := redisPosition{node: names[0]}
	if cursor != "" {
		if at, err = parseRedisPosition(cursor); err != nil {
			return nil, "", err
		}
	}
	node := nodes[at.node]
	if node == nil {
		return nil, "", errors.New("the cluster was changed during the listing: start again")
	}
	both := node.Pipeline() // on one connection, so that both are of one server
	info := both.Info(ctx, "server")
	page := both.Scan(ctx, at.cursor, globEscaper.Replace(prefix)+"*", redisPage)
	_, _ = both.Exec(ctx)
	if keys, at.cursor, err = page.Result(); err != nil {
		return nil, "", err
	}
	_, run, _ := strings.Cut(info.Val(), "run_id:")
	run, _, _ = strings.Cut(run, "\r")
	if at.run != "" && run != at.run {
		return nil, "", errors.New("another server has taken over, or it was started again, during the listing: start again")
	}
	at.run = run
	keys = slices.DeleteFunc(keys, func(key string) bool { return !storecall.IsUserKey(key) })
	if at.cursor == 0 {
		i, _ := slices.BinarySearch(names, at.node)
		if i+1 == len(names) {
			return keys, "", nil
		}
		at.node, at.run = names[i+1], ""
	}
	return keys, at.String(), nil
}

// nodes returns the clients of all servers that hold a part of the records.
func (s *Store) nodes(ctx context.Context) (map[string]redis.Cmdable, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return map[string]redis.Cmdable{"": s.client}, nil
	}
	var mu sync.Mutex
	nodes := make(map[string]redis.Cmdable)
	err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		nodes[node.Options().Addr] = node
		return nil
	})
	return nodes, err
}

func (p redisPosition) String() string { return fmt.Sprintf("%d@%s@%s", p.cursor, p.node, p.run) }

func parseRedisPosition(s string) (redisPosition, error) {
	cursor, rest, found := strings.Cut(s, "@")
	node, run, _ := strings.Cut(rest, "@")
	n, err := strconv.ParseUint(cursor, 10, 64)
	if !found || err != nil {
		return redisPosition{}, errors.New("not a cursor of this store")
	}
	return redisPosition{node, n, run}, nil
}

var globEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "^", `\^`)
