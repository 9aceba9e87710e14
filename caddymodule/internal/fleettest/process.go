package fleettest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Process is one of the processes that share the store.
type Process struct {
	name   string
	url    string
	client *http.Client
	killed atomic.Bool
	calls  atomic.Int32 // at Zoom, not answered yet

	cmd  *exec.Cmd
	gone chan struct{}
}

func (p *Process) String() string { return p.name }

// Add starts a process inside the test's own.
func (f *Fleet) Add() {
	f.Helper()
	p := f.next()
	store := watch(f.config.Open(f), func(record, format string, args ...any) { f.noteRecord(p, record, format, args...) })
	s, err := newServer(f.member(p), store)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.close)
	p.url, p.client = "http://app.example", &http.Client{Transport: zoomtest.NewTransport(s)}
	f.join(p)
}

func (f *Fleet) next() *Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Process{name: fmt.Sprintf("p%d", len(f.processes)+1)}
}

func (f *Fleet) member(p *Process) member {
	return member{p.name, f.Zoom.URL, f.app.ClientID, f.app.ClientSecret}
}

func (f *Fleet) join(p *Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.processes = append(f.processes, p)
}

// childVariable tells a process whose it is.
const childVariable = "ZOOM_PKCE_FLEET_MEMBER"

// Child reports whether this process was started by [Fleet.Start].
func Child() bool { return os.Getenv(childVariable) != "" }

// Serve is what such a process does with its store, until it is killed or the
// test has ended.
func Serve(store zoompkce.Store) error {
	var m member
	if err := json.Unmarshal([]byte(os.Getenv(childVariable)), &m); err != nil {
		return err
	}
	s, err := newServer(m, watch(store, func(string, string, ...any) {}))
	if err != nil {
		return err
	}
	defer s.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = (&http.Server{Handler: s, ReadHeaderTimeout: time.Minute}).Serve(listener) }()
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// Start starts a process of its own, which calls [Serve].
func (f *Fleet) Start(cmd *exec.Cmd) *Process {
	f.Helper()
	p := f.next()
	p.cmd, p.gone = cmd, make(chan struct{})
	told, err := json.Marshal(f.member(p))
	if err != nil {
		f.Fatal(err)
	}
	cmd.Env = append(cmd.Environ(), childVariable+"="+string(told))
	cmd.Stderr = os.Stderr
	if _, err = cmd.StdinPipe(); err != nil { // its end is that of the test
		f.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		f.Fatal("a process did not start")
	}
	p.url, p.client = "http://"+lines.Text(), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		defer close(p.gone)
		for lines.Scan() {
		}
		_ = cmd.Wait()
	}()
	f.Cleanup(func() { f.end(p) })
	f.join(p)
	return p
}

func (f *Fleet) end(p *Process) {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// Kill ends a process as kill -9 does. Tokens that Zoom has given it and that it
// could not save any more are lost, and with them all sessions of their users.
func (f *Fleet) Kill(p *Process) {
	f.end(p)
	for p.calls.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	f.mu.Lock()
	f.kills++
	f.mu.Unlock()
	for _, u := range f.users {
		f.mu.Lock()
		u.note("%s is killed", p)
		newest := f.newest(u)
		f.mu.Unlock()
		if newest != nil && newest.to == p && !f.stored(u, newest) {
			f.mu.Lock()
			u.doubt("the newest tokens were lost with a process that was killed")
			f.mu.Unlock()
		}
	}
}

// stored reports whether tokens are in the store, or newer ones that somebody got with them.
func (f *Fleet) stored(u *user, i *issue) bool {
	auditor, err := newServer(f.member(&Process{name: "auditor"}), watch(f.config.Open(f), func(string, string, ...any) {}))
	if err != nil {
		f.Fatal(err)
	}
	defer auditor.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := auditor.UserSession(ctx, u.name)
	if err != nil {
		return false
	}
	access, err := auditor.Access(ctx, s)
	f.mu.Lock()
	defer f.mu.Unlock()
	return err == nil && (access.Token == i.access || i.spentBy != nil)
}
