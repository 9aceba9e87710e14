package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StartSentinel starts a Sentinel that watches master under the name "mymaster",
// with more lines for its configuration.
func StartSentinel(t testing.TB, master *Server, settings ...string) *Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := append([]string{"sentinel monitor mymaster 127.0.0.1 " + master.Port + " 1"}, settings...)
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startProgram(t, config, "--sentinel")
}

// StartCluster starts masters that share the slots of a Cluster.
func StartCluster(t testing.TB, masters int) []*Server {
	t.Helper()
	nodes := make([]*Server, masters)
	for i := range nodes {
		nodes[i] = Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		const slots = 16384
		nodes[i].Do(t, "cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		if i > 0 {
			nodes[i].Do(t, "cluster", "set-config-epoch", i)
		}
	}
	for _, node := range nodes[1:] {
		nodes[0].Do(t, "cluster", "meet", "127.0.0.1", node.Port)
	}
	for _, node := range nodes {
		ready := func() bool {
			state := fmt.Sprint(node.Do(t, "cluster", "info"))
			return strings.Contains(state, "cluster_state:ok") &&
				strings.Contains(state, fmt.Sprintf("cluster_known_nodes:%d", masters))
		}
		for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the cluster does not come up")
			}
		}
	}
	return nodes
}
