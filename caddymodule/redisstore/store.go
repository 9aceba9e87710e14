// Package redisstore keeps user records in Redis: a swap in Lua, expiry by Redis itself,
// and the options of a single server, Sentinel and Cluster. What is in a record it
// cannot read.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func init() {
	caddy.RegisterModule(new(Store))
}

// Store keeps sessions in Redis, or a server that speaks its protocol and
// runs Lua scripts, such as Valkey: a single server, one guarded by Sentinel, or a
// Cluster. Records expire by themselves.
//
// Redis has to be told to keep what it holds: with an eviction policy other
// than `noeviction` users are signed out when memory gets short, and without
// persistence when it restarts. Its replication is asynchronous, so a failover can
// lose the last changes. All keys begin with `zoom_pkce/`.
//
// Placeholders such as `{env.REDIS_PASSWORD}` and `{file./run/secrets/redis}` are
// replaced in all values when the configuration is loaded.
type Store struct {
	// Where Redis is: `redis://host:6379/0`, with TLS `rediss://host:6379/0`, or
	// `unix:///run/redis.sock?db=0`. User name and password may stand in the URL,
	// percent-encoded. With `master_name` these are the URLs of the Sentinels,
	// and credentials in them are for the Sentinels. Otherwise several URLs are
	// nodes of one Cluster. Required.
	URLs []string `json:"urls,omitempty"`

	// The user to sign in to Redis as (ACL), if not in the URL. Default: Redis's
	// own default user.
	Username string `json:"username,omitempty"`

	// The password to sign in to Redis with, if not in the URL. Default: none.
	Password string `json:"password,omitempty"`

	// The name under which the Sentinels know the master. Default: none, the
	// URLs are not Sentinels.
	MasterName string `json:"master_name,omitempty"`

	// Whether a single URL is the entry to a Cluster, as hosted ones have it.
	// Several URLs without `master_name` always are. Default: false.
	Cluster bool `json:"cluster,omitempty"`

	// A PEM file with the certificate authorities to trust instead of the
	// system's, for `rediss://`. Default: none.
	TLSCA string `json:"tls_ca,omitempty"`

	client redis.UniversalClient
	calls  *storecall.Calls
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.zoom_pkce.session_stores.redis",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision sets up the client. It does not connect to Redis.
func (s *Store) Provision(caddy.Context) error {
	options, err := s.options(caddy.NewReplacer())
	if err != nil {
		return err
	}
	redisLogOnce.Do(func() { redis.SetLogger(redisLog{}) })
	s.client = redis.NewUniversalClient(options)
	s.calls = storecall.New()
	return nil
}

// Cleanup closes the store and its connections.
func (s *Store) Cleanup() error {
	s.calls.Close()
	if s.client != nil {
		_ = s.client.Close() // who ends it a second time, or cannot say goodbye, misses nothing
	}
	return nil
}

// String says what this is, without its passwords.
func (s *Store) String() string { return "redis session store" }

// GoString is String, for %#v.
func (s *Store) GoString() string { return s.String() }

// redisMark, the version and a line feed stand before a value in Redis.
const redisMark = "zoom_pkce/1 "

const redisHead = len(redisMark) + 32 + 1

// redisSwap compares and stores. Nothing can come between its steps. A client
// that lost the answer, or was sent to another node, sends it again: it then finds its own
// new version, or one that was put in the place of it, and answers "done"; one that was put in the
// place of the version to find is a conflict. Of a later one nobody knows; what is
// sent once is a conflict then, too. How long the record lives is counted by Redis's clock alone.
//
// KEYS[1] key; ARGV: version to find, new version, mark and value, milliseconds
// to live, which are empty for ever and not positive for not at all.
var redisSwap = redis.NewScript(`
local stored = redis.call('GET', KEYS[1])
local version, before = '', ''
if stored then
	if string.sub(stored, 1, 12) ~= 'zoom_pkce/1 ' or string.sub(stored, 45, 45) ~= '\n' then
		return 'damaged'
	end
	version, before = string.sub(stored, 13, 44), string.sub(stored, 29, 44)
	if version == ARGV[2] or before == string.sub(ARGV[2], 1, 16) then
		return 'done'
	end
end
if version ~= ARGV[1] then
	return before == string.sub(ARGV[2], 17) and 'conflict' or 'changed'
end
if ARGV[4] == '' then
	redis.call('SET', KEYS[1], ARGV[3])
elseif tonumber(ARGV[4]) > 0 then
	redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
else
	redis.call('DEL', KEYS[1])
end
return 'done'
`)

// Load implements [zoompkce.Store].
func (s *Store) Load(ctx context.Context, key string) ([]byte, string, error) {
	stored, err := storecall.Do(ctx, s.calls, storecall.Read, func(ctx context.Context) (string, error) {
		return s.client.Get(ctx, key).Result()
	})
	if errors.Is(err, redis.Nil) {
		return nil, "", zoompkce.ErrNotFound
	}
	if err == nil && (len(stored) < redisHead || !strings.HasPrefix(stored, redisMark) || stored[redisHead-1] != '\n') {
		err = storecall.ErrDamaged
	}
	if err != nil {
		return nil, "", fmt.Errorf("loading %s from redis: %w", key, err)
	}
	version := strings.Clone(stored[len(redisMark) : redisHead-1]) // it is kept for longer than the record
	return []byte(stored[redisHead:]), version, nil
}

// Swap implements [zoompkce.Store].
func (s *Store) Swap(ctx context.Context, key, old string, value []byte, expires time.Time) (string, error) {
	version := &sentVersion{text: nextVersion(old)}
	stored := make([]byte, 0, redisHead+len(value))
	stored = append(stored, redisMark+version.text+"\n"...)
	stored = append(stored, value...)
	answer, err := storecall.Do(ctx, s.calls, storecall.Change, func(ctx context.Context) (string, error) {
		lives := ""
		if !expires.IsZero() {
			lives = fmt.Sprint(time.Until(expires).Milliseconds())
		}
		answer := redisSwap.EvalSha(ctx, s.client, []string{key}, old, version, stored, lives)
		if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
			version.times.Add(-1)
			answer = redisSwap.Eval(ctx, s.client, []string{key}, old, version, stored, lives)
		}
		return answer.Text()
	})
	switch sent := version.times.Load(); {
	case err != nil && sent > 0:
		err = storecall.Sent(err)
	case err != nil:
	case answer == "done":
		return version.text, nil
	case answer == "changed" && sent > 1:
		err = errLost
	case answer == "conflict" || answer == "changed":
		err = zoompkce.ErrConflict
	case answer == "damaged":
		err = storecall.ErrDamaged
	default:
		err = errors.New("unexpected answer of the script")
	}
	return "", fmt.Errorf("saving %s in redis: %w", key, err)
}

// nextVersion returns a version that tells which one it takes the place of: its second half is the
// first one, which is random, of that, or zeros.
func nextVersion(old string) string {
	const half = 16
	before := old + strings.Repeat("0", half)
	return storecall.NewVersion()[:half] + before[:half]
}

// sentVersion is a version that counts how often the client has sent it.
type sentVersion struct {
	text  string
	times atomic.Int32
}

// MarshalBinary is called each time it is sent.
func (v *sentVersion) MarshalBinary() ([]byte, error) {
	v.times.Add(1)
	return []byte(v.text), nil
}

// errLost is no conflict: the swap may have been done, and somebody else's after it.
var errLost = errors.New("the answer was lost, and the record was changed since")

// redisLog takes the client's messages, which it would write to standard error,
// a line for each attempt to reach a Redis that is down. What matters of them
// comes back as an error too. There is one logger for the whole process.
type redisLog struct{}

var redisLogOnce sync.Once

// Printf implements the client's logger.
func (redisLog) Printf(_ context.Context, format string, args ...any) {
	if c := caddy.Log().Check(zap.DebugLevel, "redis client"); c != nil {
		c.Write(zap.String("message", fmt.Sprintf(format, args...)))
	}
}

// Interface guards
var (
	_ caddy.Provisioner  = (*Store)(nil)
	_ caddy.CleanerUpper = (*Store)(nil)
	_ zoompkce.Store     = (*Store)(nil)
	_ fmt.Stringer       = (*Store)(nil)
	_ fmt.GoStringer     = (*Store)(nil)
)
