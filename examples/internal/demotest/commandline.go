package demotest

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Run is the whole of an example but for its process.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// CommandLine checks what all examples have in common there: help that says what
// the example is, mistakes that are told in a line, and a port that is in use.
func CommandLine(t *testing.T, run Run) {
	t.Helper()
	var out, help strings.Builder
	if err := run(t.Context(), []string{"-h"}, &out, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: error %v", err)
	}
	if _, what, ok := strings.Cut(help.String(), " [flags]\n\n"); !ok || !strings.HasPrefix(help.String(), "Usage: go run ./examples/") ||
		len(strings.Fields(what[:max(0, strings.Index(what, "  -"))])) < 8 {
		t.Errorf("the help does not say what this is:\n%s", help.String())
	}
	if !strings.Contains(help.String(), "port on 127.0.0.1, 0 for a free one") {
		t.Errorf("the help does not tell of -port:\n%s", help.String())
	}
	if err := run(t.Context(), []string{"8081"}, &out, &out); err == nil || !strings.Contains(err.Error(), `"8081"`) {
		t.Errorf("an argument: error %v", err)
	}
	if err := run(t.Context(), []string{"-nonsense"}, &out, &out); err == nil || !strings.Contains(err.Error(), "-nonsense; see -h") {
		t.Errorf("an unknown flag: error %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	want := "port " + port + " of 127.0.0.1 is in use; choose another port with -port, 0 for a free one"
	if err := run(t.Context(), []string{"-port", port}, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a port in use: error %v, want %q", err, want)
	}
	if out.Len() > 0 {
		t.Errorf("printed %s", out.String())
	}
}

// wholeToken matches a JWT, as Zoom's tokens are, that is not abbreviated.
var wholeToken = regexp.MustCompile(`eyJ[\w.-]{60,}`)

// Check runs an example with -check, which has to succeed, to say all of words and to
// show no token whole.
func Check(t *testing.T, run Run, args []string, words ...string) {
	t.Helper()
	var out, errs strings.Builder
	if err := run(t.Context(), append(args, "-check"), &out, &errs); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	for _, want := range words {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	if token := wholeToken.FindString(out.String()); token != "" {
		t.Errorf("a token is not abbreviated: %s", token)
	}
}
