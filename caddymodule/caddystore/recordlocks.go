package caddystore

import (
	"context"
	"sync"
)

// recordLocks lets the goroutines of one process change a record one after the
// other. Storage locks are for processes: certmagic's file lock looks once a
// second whether it is free.
type recordLocks struct {
	mu    sync.Mutex
	locks map[string]*recordLock
}

type recordLock struct {
	held  chan struct{}
	users int
}

func newRecordLocks() *recordLocks {
	return &recordLocks{locks: make(map[string]*recordLock)}
}

// lock waits until nobody else has the lock of key. The lock may be released by
// any goroutine, once.
func (l *recordLocks) lock(ctx context.Context, key string) (release func(), err error) {
	l.mu.Lock()
	lock := l.locks[key]
	if lock == nil {
		lock = &recordLock{held: make(chan struct{}, 1)}
		l.locks[key] = lock
	}
	lock.users++
	l.mu.Unlock()

	select {
	case lock.held <- struct{}{}:
		return func() {
			<-lock.held
			l.leave(key, lock)
		}, nil
	case <-ctx.Done():
		l.leave(key, lock)
		return nil, ctx.Err()
	}
}

func (l *recordLocks) leave(key string, lock *recordLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.locks, key)
	}
}
