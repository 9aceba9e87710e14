package caddystore

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/fleettest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

var trouble = flag.Duration("trouble", 8*time.Second, "how long TestSessionsInFilesOfKilledProcesses kills")

// troubleDir tells the test binary that it is one of the processes.
const troubleDir = "ZOOM_PKCE_TEST_TROUBLE_DIR"

// TestTroubleChild serves people until it is killed.
func TestTroubleChild(t *testing.T) {
	if !fleettest.Child() {
		t.Skip("only a part of TestSessionsInFilesOfKilledProcesses")
	}
	if err := fleettest.Serve(newOtherProcess(&certmagic.FileStorage{Path: os.Getenv(troubleDir)})); err != nil {
		t.Error(err)
	}
}

// The protocol of package zoompkce on files that two processes share, of which one is
// killed again and again: whoever signed in stays signed in, but where tokens were lost
// with the process, and whoever signed out is out.
func TestSessionsInFilesOfKilledProcesses(t *testing.T) {
	dir := t.TempDir()
	f := fleettest.New(t, fleettest.Config{
		Users: 8, Pause: 100 * time.Millisecond, Ends: 4 * time.Second, Leave: fleettest.AllLeave,
		Open: func(testing.TB) zoompkce.Store { return newOtherProcess(&certmagic.FileStorage{Path: dir}) },
	})
	start := func() *fleettest.Process {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTroubleChild$", "-test.timeout=20m")
		cmd.Env = append(os.Environ(), troubleDir+"="+dir)
		return f.Start(cmd)
	}
	processes := []*fleettest.Process{start(), start()}
	f.Play(*trouble, func(ctx context.Context) {
		fleettest.Repeat(ctx, 3*time.Second, func(n int) {
			f.Kill(processes[n%2])
			processes[n%2] = start()
		})
	})
}
