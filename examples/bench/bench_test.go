package main

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// The test binary is the program, too: its parts are started from it.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		demo.Exit("bench ("+role+")", runRole(role))
	}
	os.Exit(m.Run())
}

func TestBench(t *testing.T) {
	for _, args := range [][]string{nil, {"-identity"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) { testBench(t, args...) })
	}
}

func testBench(t *testing.T, args ...string) {
	var out, errs bytes.Buffer
	err := run(t.Context(), append(args, "-runs", "2", "-duration", "50ms", "-connections", "4", "-rate", "100"), &out, &errs)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	for _, want := range []string{"Closed loop: 4 connections", "Open loop: 100 requests a second", "zoom_pkce + reverse_proxy", "Processor time for a request: reverse_proxy "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if ratios := regexp.MustCompile(`ratio \d+\.\d{3}, the median of 2 runs`).FindAllString(out.String(), -1); len(ratios) != 2 {
		t.Errorf("%d ratios:\n%s", len(ratios), out.String())
	}
}

func TestBenchRefusesFlags(t *testing.T) {
	for _, args := range [][]string{{"-runs", "0"}, {"-connections", "-1"}, {"-duration", "0s"}, {"-rate", "-5"}, {"more"}} {
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
