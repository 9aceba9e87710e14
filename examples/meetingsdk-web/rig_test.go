package main

import (
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
)

// keepEnvironment puts back what the demo changes.
func keepEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range environment {
		t.Setenv(name, "")
	}
}

func start(t *testing.T) *rig {
	t.Helper()
	keepEnvironment(t)
	r, err := startRig(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	return r
}

func TestCaddyfile(t *testing.T) {
	text, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(text); string(formatted) != string(text) {
		t.Errorf("caddy fmt would write this as:\n%s", formatted)
	}
	for line := range strings.Lines(string(text)) {
		for _, part := range strings.Split(line, "{$")[1:] {
			name := part[:strings.IndexAny(part, ":}")]
			if !slices.Contains(environment, name) {
				t.Errorf("the Caddyfile reads %s, which the demo does not set", name)
			}
		}
	}
}

func TestCaddyfilesOfREADME(t *testing.T) {
	keepEnvironment(t)
	t.Setenv("ZOOM_CLIENT_ID", clientID)
	t.Setenv("ZOOM_CLIENT_SECRET", clientSecret)
	t.Setenv("ZOOM_ACCOUNT_ID", demo.Ada.AccountID)
	demotest.CheckCaddyfiles(t)
}

func TestLockNamesNoRegistry(t *testing.T) { demotest.CheckLock(t) }

// Without a session nothing of the app can be had, and nothing it may ask for.
func TestNobodyGetsAnything(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/page.js", "/zoom.js", "/sdk/lib/webim.min.js"} {
		resp, err := http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "fetch(") {
			t.Errorf("%s: got %d", path, resp.StatusCode)
		}
	}
	for _, endpoint := range []string{"signature", "zak", "obf"} {
		resp, err := http.Post(r.url+"/zoom_pkce/"+endpoint, "application/json",
			strings.NewReader(`{"meetingNumber":"123456789","role":1,"meeting_id":"123456789"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "eyJ") {
			t.Errorf("%s: got %d\n%s", endpoint, resp.StatusCode, body)
		}
	}
}

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

func TestMistakes(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-h"}, &out, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-dir") {
		t.Errorf("help: %v\n%s", err, out.String())
	}
	if err := run(t.Context(), []string{"-dir", t.TempDir()}, &out, &out); err == nil || !strings.Contains(err.Error(), "-dir") {
		t.Errorf("another directory: %v", err)
	}
}

func TestInstall(t *testing.T) {
	t.Run("without npm", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if err := install(t.Context(), example(t), io.Discard); err == nil || !strings.Contains(err.Error(), "Node.js") {
			t.Errorf("got error %v", err)
		}
	})
	for _, tt := range []struct {
		name, npm string
		want      string // in the error
	}{
		{"npm works", `[ "$*" = "ci --ignore-scripts" ] && mkdir -p "$(dirname ` + sdkFile + `)" && : > ` + sdkFile, ""},
		{"npm fails", `echo no network >&2; exit 1`, "npm ci"},
		{"npm does nothing", `:`, "did not bring"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+tt.npm+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			dir := example(t)
			var out strings.Builder
			err := install(t.Context(), dir, &out)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if !strings.Contains(out.String(), "npm ci in "+dir) {
				t.Errorf("it does not say what it does: %q", out.String())
			}
			out.Reset()
			if err == nil && (install(t.Context(), dir, &out) != nil || out.String() != "") {
				t.Errorf("a second time: %q", out.String())
			}
		})
	}
}

// example is a directory like this one, without the SDK.
func example(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
