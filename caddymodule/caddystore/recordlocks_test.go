package caddystore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestRecordLocksExclude(t *testing.T) {
	locks := newRecordLocks()
	var group sync.WaitGroup
	counter := 0
	for range 16 {
		group.Go(func() {
			for range 100 {
				release, err := locks.lock(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				counter++
				release()
			}
		})
	}
	group.Wait()
	if counter != 1600 {
		t.Errorf("counted %d instead of 1600", counter)
	}
	if len(locks.locks) != 0 {
		t.Errorf("%d locks are left that nobody uses", len(locks.locks))
	}
}

func TestRecordLocksOfOtherKeysAreFree(t *testing.T) {
	locks := newRecordLocks()
	release, _ := locks.lock(t.Context(), "a")
	other, err := locks.lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	if len(locks.locks) != 0 {
		t.Errorf("%d locks are left that nobody uses", len(locks.locks))
	}
}

func TestRecordLocksGiveUpWithTheContext(t *testing.T) {
	locks := newRecordLocks()
	release, _ := locks.lock(t.Context(), "a")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := locks.lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	release()
	if len(locks.locks) != 0 {
		t.Error("the lock of somebody who gave up is left")
	}
}
