package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// controlled is a response writer with everything that
// http.ResponseController knows.
type controlled struct {
	http.ResponseWriter
	calls []string
}

func (c *controlled) called(name string) error { c.calls = append(c.calls, name); return nil }

func (c *controlled) FlushError() error { return c.called("flush") }

func (c *controlled) SetReadDeadline(time.Time) error { return c.called("read deadline") }

func (c *controlled) SetWriteDeadline(time.Time) error { return c.called("write deadline") }

func (c *controlled) EnableFullDuplex() error { return c.called("full duplex") }

func TestResponseControllerReachesTheConnection(t *testing.T) {
	inner := &controlled{ResponseWriter: httptest.NewRecorder()}
	rc := http.NewResponseController(newPrivateWriter(inner))
	for name, err := range map[string]error{
		"flush": rc.Flush(), "read deadline": rc.SetReadDeadline(time.Time{}),
		"write deadline": rc.SetWriteDeadline(time.Time{}), "full duplex": rc.EnableFullDuplex(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(inner.calls) != 4 {
		t.Errorf("reached: %q", inner.calls)
	}
	if got := inner.Header().Get("Cache-Control"); got != "private" {
		t.Errorf("flushed with Cache-Control %q", got)
	}
}

func TestAnswersArePrivate(t *testing.T) {
	for name, tt := range map[string]struct {
		upstream []string
		want     string
	}{
		"nothing said":         {nil, "private"},
		"public":               {[]string{"public, max-age=60"}, "public, max-age=60|private"},
		"no-store":             {[]string{"no-store"}, "no-store"},
		"private":              {[]string{"max-age=1, Private"}, "max-age=1, Private"},
		"private fields only":  {[]string{`private="set-cookie"`}, `private="set-cookie"|private`},
		"in the second line":   {[]string{"max-age=1", "no-store"}, "max-age=1|no-store"},
		"a word that holds it": {[]string{"x-private"}, "x-private|private"},
	} {
		rec := httptest.NewRecorder()
		w := newPrivateWriter(rec)
		w.Header()["Cache-Control"] = tt.upstream
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "body")
		if got := strings.Join(rec.Header()["Cache-Control"], "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
