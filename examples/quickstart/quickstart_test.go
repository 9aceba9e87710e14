package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCheck(t *testing.T) {
	demotest.Check(t, run, nil,
		"X-Zoom-User-Id:      aDa1815\n",
		"X-Zoom-Account-Id:   AnalyticalEngine\n",
		"X-Zoom-User-Email:   ada@example.com\n",
		"X-Zoom-User-Name:    Ada Lovelace\n",
		"X-Zoom-Access-Token: ",
		"X-Zoom-Zak:          ",
	)
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	r, err := startRig(0, "")
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	r.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(http.StatusInternalServerError, ""))
	var out strings.Builder
	if err := r.check(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "zak_unavailable") {
		t.Errorf("got error %v", err)
	}
	r.zoom.RemoveUser("aDa1815")
	r.zoom.RemoveUser("gRace1906")
	if err := r.check(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "consent page") {
		t.Errorf("got error %v", err)
	}
}

// An app of the visitor's own needs to know nothing, either.
func TestOwnApp(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s at %s", r.Header.Get("X-Zoom-User-Id"), r.URL.Path)
	}))
	defer app.Close()
	r, err := startRig(0, strings.TrimPrefix(app.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	v, err := demo.NewVisitor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	consent, err := v.Open(r.url + "/mine")
	if err != nil {
		t.Fatal(err)
	}
	if page, err := v.Allow(consent); err != nil || page.Body != "Hello aDa1815 at /mine" {
		t.Errorf("got %q, %v", page.Body, err)
	}
	var out strings.Builder
	for _, args := range [][]string{{"-app", "https://127.0.0.1"}, {"-app", "127.0.0.1:3000", "-check"}} {
		if err := run(t.Context(), args, &out, &out); err == nil || !strings.Contains(err.Error(), "-app takes") {
			t.Errorf("%v: error %v", args, err)
		}
	}
}

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

// The usual port is for whoever needs it first.
func TestUsualPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err == nil {
		defer listener.Close()
	}
	if addr, err := chooseAddress(usualPort, ""); err != nil || demo.PortOf(addr) == "8080" {
		t.Errorf("8080 is in use: chose %q, error %v", addr, err)
	}
	if listener != nil {
		listener.Close()
		if addr, err := chooseAddress(usualPort, "localhost:8080"); err != nil || demo.PortOf(addr) == "8080" {
			t.Errorf("8080 is the app's: chose %q, error %v", addr, err)
		}
	}
}

func TestOwnAppAddress(t *testing.T) {
	for text, want := range map[string]string{
		"3000": "localhost:3000", ":3000": "localhost:3000", "localhost:3000": "localhost:3000",
		"http://127.0.0.1:3000": "127.0.0.1:3000", "http://localhost:3000/": "localhost:3000",
		"[::1]:3000": "[::1]:3000", "http://[::1]:3000": "[::1]:3000",
		"": "", "0": "", "70000": "", "app": "", "127.0.0.1": "", "https://127.0.0.1:3000": "",
		"http://127.0.0.1:3000/path": "", "http://a@b:3000": "", "http://": "",
	} {
		got, err := ownApp(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// Whoever forgot to start the app hears of it before the first empty page.
func TestNobodyAtOwnApp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	free, err := demo.FreeAddress(0)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{free: true, listener.Addr().String(): false} {
		ctx, cancel := context.WithCancel(t.Context())
		printed := &firstLines{done: cancel}
		if err := run(ctx, []string{"-port", "0", "-app", "http://" + addr}, printed, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(printed.String(), "Nothing answers at "+addr); got != want {
			t.Errorf("nothing answers at %s: %t, want %t\n%s", addr, got, want, printed.String())
		}
	}
}

// firstLines keeps what is printed, and ends the program by the first of it.
type firstLines struct {
	strings.Builder
	done context.CancelFunc
}

func (l *firstLines) Write(p []byte) (int, error) {
	defer l.done()
	return l.Builder.Write(p)
}
