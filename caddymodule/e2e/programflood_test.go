package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stored is what the store holds, in files and bytes.
func (w *world) stored() (files int, size int64) {
	w.t.Helper()
	err := filepath.WalkDir(w.storage, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			files++
			size += info.Size()
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return files, size
}

// heapInUse is what is alive of the heap. What pools keep is gone after the second
// collection.
func heapInUse() int64 {
	var stats runtime.MemStats
	for range 5 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// flood sends registrations by several clients at once, each of them different, and one
// in ten of no use. It returns the slowest answer.
func (w *world) flood(count int) (slowest time.Duration) {
	w.t.Helper()
	const clients = 8
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var next, longest atomic.Int64
	var senders sync.WaitGroup
	for range clients {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(count); n = next.Add(1) {
				body, want := fmt.Appendf(nil, `{"client_name":"Client %d","redirect_uris":["http://127.0.0.1:%d/callback"]}`, n, 1024+n%60_000), http.StatusCreated
				if n%10 == 0 {
					body, want = fmt.Appendf(nil, `{"client_name":"Client %d","redirect_uris":["https://evil%d.example/"]}`, n, n), http.StatusBadRequest
				}
				began := time.Now()
				resp, err := client.Post(w.url+"/zoom_pkce/oauth/register", "application/json", bytes.NewReader(body))
				if err != nil {
					w.t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != want {
					w.t.Errorf("registration %d: %d, want %d", n, resp.StatusCode, want)
					return
				}
				for took := int64(time.Since(began)); ; {
					if former := longest.Load(); took <= former || longest.CompareAndSwap(former, took) {
						break
					}
				}
			}
		})
	}
	senders.Wait()
	return time.Duration(longest.Load())
}

// Attack 10, a flood of registrations: nothing is stored for them, nothing of them stays
// in memory, and they hold nobody up.
func TestFloodOfRegistrations(t *testing.T) {
	const registrations, mayStay = 10_000, 64 << 10
	w := newWorld(t)
	w.load(w.quietly("zoom_pkce {\n" + w.options() + programOptions + "\n}\nreverse_proxy " + w.upstream.addr))
	p := w.program().signedInBy(w.signedIn("user-ada"))
	former := w.program()
	former.id = former.register()
	p.wantUser("user-ada")      // which is noted in the store, soon
	w.flood(registrations / 10) // pools and buffers get the size that they keep
	files, size := w.stored()
	before := heapInUse()

	began := time.Now()
	slowest := w.flood(registrations)
	took := time.Since(began)
	p.wantUser("user-ada")

	stayed := heapInUse() - before
	for range 20 { // until the last connection is gone, too
		if stayed < mayStay {
			break
		}
		time.Sleep(50 * time.Millisecond)
		stayed = heapInUse() - before
	}
	t.Logf("%.0f registrations a second, the slowest answered in %s; %d bytes stayed", registrations/took.Seconds(), slowest, stayed)
	if stayed > mayStay {
		t.Errorf("%d bytes of memory stay", stayed)
	}
	if f, s := w.stored(); f != files || s != size {
		t.Errorf("the store has %d files of %d bytes, before %d of %d", f, s, files, size)
	}
	if slowest > 10*time.Second {
		t.Errorf("one waited for %s", slowest)
	}
	former.signedInBy(w.signedIn("user-bob"))
	former.call(http.MethodGet, "/").received(t)
	p.takeTokens(p.refreshed())
	p.wantUser("user-ada")
}
