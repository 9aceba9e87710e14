package e2e

import (
	"os"
	"strings"
	"testing"
	"time"
)

// awaitHandover waits until the listeners of the former configuration are gone.
// Caddy closes them a moment after a reload has returned, and on Linux, where both
// then listen on one port, the kernel resets connections that still wait for
// the former one (ip-sysctl, tcp_migrate_req). Tests are about what comes after.
func awaitHandover() {
	for deadline := time.Now().Add(2 * time.Second); sharedPort() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// sharedPort reports whether two sockets listen at one address; elsewhere than
// on Linux they never do.
func sharedPort() bool {
	const listening = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		seen := make(map[string]bool)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listening {
				continue
			}
			if seen[fields[1]] {
				return true
			}
			seen[fields[1]] = true
		}
	}
	return false
}

func TestReloadLeavesOneListener(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.load(w.site())
		if sharedPort() {
			t.Fatal("the former configuration still listens")
		}
	}
}
