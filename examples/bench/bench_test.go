package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
)

// The test binary is the program, too: its parts are started from it.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		demo.Exit("bench ("+role+")", runRole(role))
	}
	os.Exit(m.Run())
}

func bench(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(t.Context(), append(args, "-runs", "2", "-duration", "50ms", "-connections", "4"), &out, &errs); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return out.String()
}

func wantRows(t *testing.T, out string, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if !regexp.MustCompile(`(?m)^ *` + row + ` *$`).MatchString(out) {
			t.Errorf("there is no row like %q:\n%s", row, out)
		}
	}
}

const (
	anyNumber = `\d+(\.\d+)?`
	anyTime   = anyNumber + `(µs|ms|s)`
)

func TestRequests(t *testing.T) {
	for name, args := range map[string][]string{"closed loop": nil, "open loop": {"-rate", "100"}} {
		t.Run(name, func(t *testing.T) {
			out := bench(t, append(args, "-only", "requests")...)
			for _, c := range contenders() {
				wantRows(t, out, regexp.QuoteMeta(c.name)+`( +`+anyNumber+`)( +`+anyTime+`){2} +-?`+anyTime)
			}
			for _, pair := range ratios {
				wantRows(t, out, regexp.QuoteMeta(pair[0])+` +`+regexp.QuoteMeta(pair[1])+`( +`+anyNumber+`){3} +\S+`)
			}
		})
	}
}

func TestSignIns(t *testing.T) {
	out := bench(t, "-only", "sign-ins", "-sign-ins", "30")
	wantRows(t, out, `files( +-?`+anyTime+`){5}`)
	if _, err := exec.LookPath("redis-server"); err == nil {
		wantRows(t, out, `Redis( +-?`+anyTime+`){5}`)
	}
}

func TestFleet(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		demotest.Missing(t, "there is no redis-server")
	}
	out := bench(t, "-only", "fleet", "-users", "300")
	// A load for each request that is a user's first at a Caddy, and none for others.
	wantRows(t, out, `sign-ins +300 .*`, `first requests +600 +\d+ +1\.\d\d +\S+`, `further requests +\d+ +\d+ +0\.\d\d +\S+`, `users listed +30\d .*`)
	if !regexp.MustCompile(`\d{4} bytes a user in Redis`).MatchString(out) {
		t.Errorf("how much memory a user takes is missing:\n%s", out)
	}
}

func TestBenchRefusesFlags(t *testing.T) {
	for _, args := range [][]string{{"-runs", "0"}, {"-connections", "-1"}, {"-duration", "0s"}, {"-rate", "-5"}, {"-sign-ins", "0"}, {"-users", "0"}, {"-only", "rest"}, {"more"}} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestReadOK(t *testing.T) {
	for _, test := range []struct {
		name, answers string
		want          string // of the error
	}{
		{"two answers", strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nVia: x\r\n\r\nok\n", 2), "EOF"},
		{"a redirect", "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n", "303"},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nok\n", "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(test.answers))
			var err error
			read := 0
			for ; err == nil; read++ {
				err = readOK(r)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if test.name == "two answers" && read != 3 {
				t.Errorf("%d answers, want 2", read-1)
			}
		})
	}
}

func TestQuantilesAndMedian(t *testing.T) {
	var s sample
	for n := range 1000 {
		s.latencies = append(s.latencies, time.Duration(n+1)*time.Millisecond)
	}
	if p50, p999 := s.quantile(.5), s.quantile(.999); p50 != 501*time.Millisecond || p999 != time.Second {
		t.Errorf("got %v and %v", p50, p999)
	}
	if got := median([]float64{3, 1, 2, 10}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
