package caddystore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storebench"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// crashDir tells the test binary that it is the process to be killed.
const crashDir = "ZOOM_PKCE_TEST_CRASH_DIR"

const crashRecords = 128

// TestCrashChild increments counters until it is killed, and tells each success.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("only a part of TestKilledProcessesLeaveOldOrNewRecords")
	}
	store := newOtherProcess(&certmagic.FileStorage{Path: dir})
	var mu sync.Mutex
	fmt.Println("started")
	for range 8 {
		go func() {
			for {
				n := rand.IntN(crashRecords)
				// Short, because one that was killed may have left its lock.
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				if counter, err := countUp(ctx, store, storebench.Key(n)); err == nil {
					mu.Lock()
					fmt.Println(n, counter)
					mu.Unlock()
				}
				cancel()
			}
		}()
	}
	time.Sleep(time.Minute)
}

// countUp adds one to the counter under key, which it creates.
func countUp(ctx context.Context, store zoompkce.Store, key string) (counter uint64, err error) {
	value, version, err := store.Load(ctx, key)
	if err != nil && !errors.Is(err, zoompkce.ErrNotFound) {
		return 0, err
	}
	if version != "" {
		counter = binary.BigEndian.Uint64(value)
	}
	counter++
	// Long enough that a torn write would be one.
	value = binary.BigEndian.AppendUint64(make([]byte, 0, 16384), counter)
	_, err = store.Swap(ctx, key, version, value[:cap(value)], time.Time{})
	return counter, err
}

func TestKilledProcessesLeaveOldOrNewRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("kills 20 processes")
	}
	dir := t.TempDir()
	confirmed := make([]uint64, crashRecords)
	for range 20 {
		child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
		child.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal("the child process did not start")
		}
		time.AfterFunc(10*time.Millisecond+rand.N(150*time.Millisecond), func() { child.Process.Kill() })
		for lines.Scan() {
			var n int
			var counter uint64
			if _, err := fmt.Sscan(lines.Text(), &n, &counter); err == nil {
				confirmed[n] = counter
			}
		}
		child.Wait()
	}

	store := newOtherProcess(&certmagic.FileStorage{Path: dir})
	var group sync.WaitGroup
	for n, least := range confirmed {
		group.Go(func() {
			// A lock that was left is stale after 10 seconds.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			counter, err := countUp(ctx, store, storebench.Key(n))
			if err != nil {
				t.Errorf("record %d: %v", n, err)
			} else if counter <= least {
				t.Errorf("record %d is at %d after %d was confirmed", n, counter, least)
			}
		})
	}
	group.Wait()
	var total uint64
	for _, n := range confirmed {
		total += n
	}
	if total < 100 {
		t.Errorf("only %d changes in 20 processes: nothing was tested", total)
	}
	t.Logf("%d changes confirmed by processes that were killed", total)
}
