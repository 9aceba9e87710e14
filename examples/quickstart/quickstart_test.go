package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestCheck(t *testing.T) {
	var out, errs strings.Builder
	if err := run(t.Context(), []string{"-check"}, &out, &errs); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	for _, want := range []string{
		"X-Zoom-User-Id:      aDa1815\n",
		"X-Zoom-Account-Id:   AnalyticalEngine\n",
		"X-Zoom-User-Email:   ada@example.com\n",
		"X-Zoom-User-Name:    Ada Lovelace\n",
		"X-Zoom-Access-Token: ",
		"X-Zoom-Zak:          ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 120 {
			t.Errorf("a token is not abbreviated: %s", line)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	r, err := startRig(0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}()
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
	defer func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}()
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
	for _, args := range [][]string{{"-app", "3000"}, {"-app", "127.0.0.1:3000", "-check"}} {
		if err := run(t.Context(), args, &out, &out); err == nil || !strings.Contains(err.Error(), "-app takes") {
			t.Errorf("%v: error %v", args, err)
		}
	}
}

func TestHelp(t *testing.T) {
	var out, errs strings.Builder
	if err := run(t.Context(), []string{"-h"}, &out, &errs); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got error %v", err)
	}
	for _, name := range []string{"-port", "-app", "-check", "8080"} {
		if !strings.Contains(errs.String(), name) {
			t.Errorf("the help does not mention %s:\n%s", name, errs.String())
		}
	}
}

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	if _, err := startRig(taken, ""); err == nil {
		t.Error("started on a port that is taken")
	}
	if addr, err := chooseAddress(0); err != nil || addr == "" || addr == listener.Addr().String() {
		t.Errorf("chose address %q, error %v", addr, err)
	}
}
