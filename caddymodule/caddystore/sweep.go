package caddystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	// sweepShards is how many parts the records of an app lie in, by the first
	// byte of their name.
	sweepShards = 256

	// sweepEvery is the time between two shards, so that all have their turn
	// within an hour.
	sweepEvery = time.Hour / sweepShards

	// sweepLimit bounds one change of a sweep.
	sweepLimit = 5 * time.Second
)

// whole does one change of a sweep to its end, though the sweep is stopped meanwhile. Left
// alone, it could not give back the storage's lock once the storage is closed, and others
// would wait for that.
func whole(ctx context.Context, change func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepLimit)
	defer cancel()
	return change(ctx)
}

// SweepShard removes what has expired below prefix, which names a shard and
// ends in a slash. Records that cannot be read stay; the first of their errors
// is returned when all others were seen to.
func (s *Store) SweepShard(ctx context.Context, prefix string) (removed int, err error) {
	keys, _, err := s.List(ctx, prefix, "")
	// In random order, so that what takes more time than there is gets done
	// over several rounds.
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys {
		keyErr := whole(ctx, func(ctx context.Context) error { return s.remove(ctx, key) })
		switch {
		case keyErr == nil:
			removed++
		case !errors.Is(keyErr, zoompkce.ErrConflict) && err == nil:
			err = keyErr
		}
	}
	return removed, err
}

// shardSweeper is a store that does not forget expired records by itself.
type shardSweeper interface {
	SweepShard(ctx context.Context, prefix string) (removed int, err error)
}

// Sweeper removes the expired records of one app, a shard at a time, in turns
// with all other processes on the same store. Who takes the next turn is decided
// by swapping the record of the last one.
type Sweeper struct {
	store   zoompkce.Store
	prefix  string
	logger  *zap.Logger
	failing bool
}

// sweepTurn is the record that processes share. It holds no secret.
type sweepTurn struct {
	Next    int       `json:"next"`
	Claimed time.Time `json:"claimed"`
}

// NewSweeper returns what sweeps the records of one app in store.
func NewSweeper(store zoompkce.Store, appID string, logger *zap.Logger) *Sweeper {
	return &Sweeper{store: store, prefix: "zoom_pkce/" + appID + "/", logger: logger}
}

// Run sweeps until ctx is done. It returns at once for a store that needs no
// sweep. Nothing is looked at right at the start, which is when a server has
// other things to do.
func (s *Sweeper) Run(ctx context.Context) {
	store, ok := s.store.(shardSweeper)
	if !ok {
		return
	}
	// Processes that were started together do not stay together.
	wait := sweepEvery + rand.N(sweepEvery)
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		var err error
		if wait, err = s.turn(ctx, store); ctx.Err() != nil {
			return
		}
		s.report(err)
	}
}

// turn sweeps one shard if it is time and nobody else does, and returns how long
// to wait for the next turn.
func (s *Sweeper) turn(ctx context.Context, store shardSweeper) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	key := s.prefix + "sweep"
	value, version, _ := s.store.Load(ctx, key) // trouble shows when it is swapped
	var last sweepTurn
	_ = json.Unmarshal(value, &last) // whatever cannot be read was a turn, too
	// A claim from far in the future is from a clock that was wrong.
	if since := time.Since(last.Claimed); since < sweepEvery && since > -sweepEvery {
		return sweepEvery - since + rand.N(sweepEvery/16), nil
	}
	shard := last.Next & (sweepShards - 1)
	claimed := time.Now()
	claim, _ := json.Marshal(sweepTurn{Next: shard + 1, Claimed: claimed}) // a number and a time
	err = whole(ctx, func(ctx context.Context) error {
		_, err := s.store.Swap(ctx, key, version, claim, time.Time{})
		return err
	})
	if errors.Is(err, zoompkce.ErrConflict) {
		return sweepEvery, nil
	}
	if err != nil {
		return sweepEvery, err
	}
	removed, err := store.SweepShard(ctx, fmt.Sprintf("%s%02x/", s.prefix, shard))
	if removed > 0 {
		s.logger.Debug("removed expired session records", zap.Int("records", removed), zap.Int("shard", shard))
	}
	return sweepEvery - time.Since(claimed), err
}

// report logs trouble when it begins and when it is over, not every few seconds.
func (s *Sweeper) report(err error) {
	switch {
	case err != nil && !s.failing:
		s.logger.Warn("sweeping expired session records failed; will keep trying", zap.Error(err))
	case err == nil && s.failing:
		s.logger.Info("sweeping expired session records works again")
	}
	s.failing = err != nil
}

// Interface guards
var _ shardSweeper = (*Store)(nil)
