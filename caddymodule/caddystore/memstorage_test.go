package caddystore

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
)

// memStorage is a certmagic.Storage in memory that counts and can be made to
// fail, hang or panic.
type memStorage struct {
	// before, if set, is called at the beginning of every operation, without any
	// lock, and may fail it.
	before func(operation, key string) error

	mu        sync.Mutex
	files     map[string][]byte
	locks     map[string]chan struct{}
	used      map[string]int // how often each lock was taken
	contended int            // how often somebody had to wait for a lock
	calls     map[string]int
}

func newMemStorage() *memStorage {
	return &memStorage{
		files: make(map[string][]byte),
		locks: make(map[string]chan struct{}),
		used:  make(map[string]int),
		calls: make(map[string]int),
	}
}

// begin returns with the mutex held, unless it fails.
func (m *memStorage) begin(operation, key string) error {
	if m.before != nil {
		if err := m.before(operation, key); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.calls[operation]++
	return nil
}

func (m *memStorage) count(operation string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[operation]
}

func (m *memStorage) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.files)
}

func (m *memStorage) Load(_ context.Context, key string) ([]byte, error) {
	if err := m.begin("load", key); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	value, ok := m.files[key]
	if !ok {
		return nil, fmt.Errorf("no %s: %w", key, fs.ErrNotExist)
	}
	return value, nil
}

func (m *memStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := m.begin("store", key); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.files[key] = value
	return nil
}

func (m *memStorage) Delete(_ context.Context, key string) error {
	if err := m.begin("delete", key); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.files, key)
	return nil
}

func (m *memStorage) Exists(_ context.Context, key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[key] != nil
}

func (m *memStorage) List(_ context.Context, dir string, _ bool) (keys []string, err error) {
	if err := m.begin("list", dir); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for key := range m.files {
		if strings.HasPrefix(key, dir+"/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // as files are
	return keys, nil
}

func (m *memStorage) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	if err := m.begin("stat", key); err != nil {
		return certmagic.KeyInfo{}, err
	}
	defer m.mu.Unlock()
	value, ok := m.files[key]
	if !ok {
		return certmagic.KeyInfo{}, fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, nil
}

func (m *memStorage) Lock(ctx context.Context, name string) error {
	for {
		if err := m.begin("lock", name); err != nil {
			return err
		}
		held, taken := m.locks[name]
		if !taken {
			m.locks[name] = make(chan struct{})
			m.used[name]++
			m.mu.Unlock()
			return nil
		}
		m.contended++
		m.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memStorage) Unlock(ctx context.Context, name string) error {
	if err := m.begin("unlock", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	held, taken := m.locks[name]
	if !taken {
		return fs.ErrNotExist
	}
	close(held)
	delete(m.locks, name)
	return nil
}

// Interface guards
var _ certmagic.Storage = (*memStorage)(nil)
