package programs

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// What reading documents may cost: signed-in visitors decide which are read.
const (
	maxDocuments            = 256 // in memory
	maxFetches              = 4   // at a time
	maxFetchesAMinute       = 30
	maxFetchesOfUserAMinute = 10 // so that nobody keeps the others out
	minDocumentLife         = time.Minute
	maxDocumentLife         = 24 * time.Hour
)

// BusyError means that the document of a client is not read now, since too many are, or
// were a moment ago. The client may be a good one.
type BusyError struct {
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return "too many documents of clients are being read; try again in " + e.RetryAfter.Round(time.Second).String()
}

// documentCache keeps documents for as long as their servers say, within bounds.
// Failures are not kept.
type documentCache struct {
	fetch   func(ctx context.Context, id string) (*document, error)
	flights singleflight.Group
	slots   chan struct{}

	mu       sync.Mutex
	kept     map[string]keptDocument
	minute   time.Time // when the counts began
	inMinute int
	ofUser   map[string]int // in the minute
}

type keptDocument struct {
	*document
	until time.Time
}

func newDocumentCache(f *documentFetcher) *documentCache {
	return &documentCache{fetch: f.fetch, slots: make(chan struct{}, maxFetches), kept: make(map[string]keptDocument)}
}

// get returns the document with an id, for a user, reading it once for all who ask.
func (c *documentCache) get(ctx context.Context, userID, id string) (*document, error) {
	if d := c.cached(id); d != nil {
		return d, nil
	}
	d, err, _ := c.flights.Do(id, func() (any, error) {
		if d := c.cached(id); d != nil {
			return d, nil
		}
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		default:
			return nil, &BusyError{fetchTimeout}
		}
		if wait := c.wait(userID, time.Now()); wait > 0 {
			return nil, &BusyError{wait}
		}
		// The others who wait must not lose it because the first one went away.
		d, err := c.fetch(context.WithoutCancel(ctx), id)
		if err != nil {
			return nil, err
		}
		c.keep(id, d, time.Now().Add(min(max(d.life, minDocumentLife), maxDocumentLife)))
		return d, nil
	})
	if err != nil {
		return nil, err
	}
	return d.(*document), nil
}

func (c *documentCache) cached(id string) *document {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept := c.kept[id]; time.Now().Before(kept.until) {
		return kept.document
	}
	return nil
}

// wait counts a fetch for a user, or tells how long there is none.
func (c *documentCache) wait(userID string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.minute) >= time.Minute {
		c.minute, c.inMinute, c.ofUser = now, 0, make(map[string]int)
	}
	if c.inMinute >= maxFetchesAMinute || c.ofUser[userID] >= maxFetchesOfUserAMinute {
		return c.minute.Add(time.Minute).Sub(now)
	}
	c.inMinute++
	c.ofUser[userID]++
	return 0
}

// keep makes room by forgetting what is over, then whatever comes first: it is
// read again when it is needed.
func (c *documentCache) keep(id string, d *document, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for other, kept := range c.kept {
		if !now.Before(kept.until) {
			delete(c.kept, other)
		}
	}
	for other := range c.kept {
		if len(c.kept) >= maxDocuments {
			delete(c.kept, other)
		}
	}
	c.kept[id] = keptDocument{d, until}
}
