package bodies_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
)

func read(l *bodies.Limits, body io.Reader) (string, func(), error) {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	got, release, err := l.Read(httptest.NewRecorder(), r)
	return string(got), release, err
}

func TestSizes(t *testing.T) {
	l := &bodies.Limits{Each: 10_000, All: 25_000, Patience: time.Minute}
	for _, size := range []int{0, 1, 4095, 4096, 4097, 9999, 10_000} {
		want := strings.Repeat("x", size)
		// A reader without io.WriterTo, a byte at a time.
		got, release, err := read(l, io.MultiReader(strings.NewReader(want[:size/2]), strings.NewReader(want[size/2:])))
		if got != want || err != nil {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
		release()
	}
	if _, release, err := read(l, strings.NewReader(strings.Repeat("x", 10_001))); !errors.Is(err, bodies.ErrTooLong) {
		t.Errorf("one byte more: %v", err)
	} else {
		release()
	}
	// Nothing of all that is held any more.
	for range 2 {
		_, release, err := read(l, strings.NewReader(strings.Repeat("x", 10_000)))
		if err != nil {
			t.Error(err)
		}
		defer release()
	}
}

// Large bodies are refused before small ones, and released memory is there again.
func TestAllAtATime(t *testing.T) {
	const each = 16 << 10
	l := &bodies.Limits{Each: each, All: 40 << 10, Patience: time.Minute}
	large := func() (func(), error) {
		_, release, err := read(l, bytes.NewReader(make([]byte, each)))
		return release, err
	}
	first, err1 := large()
	second, err2 := large()
	third, err3 := large()
	if err1 != nil || err2 != nil || !errors.Is(err3, bodies.ErrBusy) {
		t.Fatalf("got %v, %v, %v", err1, err2, err3)
	}
	third()
	if _, release, err := read(l, strings.NewReader("small")); err != nil {
		t.Errorf("a small one: %v", err)
	} else {
		release()
	}
	full := &bodies.Limits{Each: each, All: 1, Patience: time.Minute}
	if _, _, err := read(full, strings.NewReader("x")); !errors.Is(err, bodies.ErrBusy) {
		t.Errorf("one byte where there is no room: %v", err)
	}
	if got, release, err := read(full, http.NoBody); got != "" || err != nil {
		t.Errorf("no body: %q, %v", got, err)
	} else {
		release()
	}
	first()
	if third, err := large(); err != nil {
		t.Errorf("after a release: %v", err)
	} else {
		third()
	}
	second()
}

// brokenBody ends with an error.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

func TestBrokenBodyHoldsNothing(t *testing.T) {
	l := &bodies.Limits{Each: 4000, All: 4001, Patience: time.Minute}
	for range 3 {
		_, release, err := read(l, io.MultiReader(strings.NewReader("begin"), brokenBody{io.ErrUnexpectedEOF}))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
		release()
	}
}

// A body that does not come is waited for as long as Patience says; one that came
// leaves no deadline behind.
func TestStalledBody(t *testing.T) {
	l := &bodies.Limits{Each: 1000, All: 10_000, Patience: 100 * time.Millisecond}
	errs := make(chan error, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, release, err := l.Read(w, r)
		release()
		errs <- err
		if err == nil && r.URL.Path == "/slow" {
			time.Sleep(2 * l.Patience)
			_, err = r.Body.Read(make([]byte, 1))
			errs <- err
		}
	}))
	defer server.Close()
	body, stalled := io.Pipe()
	go func() { _, _ = stalled.Write([]byte("begin")) }()
	resp, err := http.Post(server.URL, "text/plain", body)
	if err == nil {
		resp.Body.Close()
	}
	if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	stalled.Close()
	resp, err = http.Post(server.URL+"/slow", "text/plain", strings.NewReader("whole"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if first, later := <-errs, <-errs; first != nil || !errors.Is(later, io.EOF) {
		t.Errorf("got %v, then %v", first, later)
	}
}

// Memory is taken by the page, then doubled, and of what there is for all a sixteenth
// is for bodies that have only begun.
func TestWhatABodyTakes(t *testing.T) {
	for _, tt := range []struct {
		size, all int
		fits      bool
	}{
		{10, 4096, true},
		{10, 4095, false},
		{5000, 8738, true}, // less a sixteenth that is the 8,192 of two pages
		{5000, 8737, false},
	} {
		l := &bodies.Limits{Each: 100_000, All: tt.all, Patience: time.Minute}
		_, release, err := read(l, strings.NewReader(strings.Repeat("x", tt.size)))
		if release(); (err == nil) != tt.fits {
			t.Errorf("%d bytes within %d: %v", tt.size, tt.all, err)
		}
	}
}

// connection is a response whose deadlines a test sees.
type connection struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (c *connection) SetReadDeadline(at time.Time) error {
	c.deadline = at
	return nil
}

// What is too long is read to its end within reason, and what there is no room for is
// left, so that the answer arrives in both cases.
func TestWhatIsLeft(t *testing.T) {
	l := &bodies.Limits{Each: 1000, All: 2000, Patience: time.Hour}
	none := &bodies.Limits{Each: 1000, All: 1, Patience: time.Hour}
	for name, tt := range map[string]struct {
		limits   *bodies.Limits
		size     int
		read     int
		closes   bool
		deadline bool
	}{
		"good":     {l, 1000, 1000, false, false},
		"long":     {l, 1 << 20, 1 << 20, false, true},
		"endless":  {l, 8 << 20, 1001 + 2<<20, false, true},
		"no place": {none, 10, 0, true, true},
	} {
		body := strings.NewReader(strings.Repeat("x", tt.size))
		r := httptest.NewRequest(http.MethodPost, "/", body)
		w := &connection{ResponseRecorder: httptest.NewRecorder()}
		_, release, _ := tt.limits.Read(w, r)
		release()
		if read := tt.size - body.Len(); read != tt.read {
			t.Errorf("%s: %d bytes are read, want %d", name, read, tt.read)
		}
		if closes := w.Header().Get("Connection") == "close"; closes != tt.closes || w.deadline.IsZero() == tt.deadline {
			t.Errorf("%s: closes %t, deadline %v", name, closes, w.deadline)
		}
	}
}

// Only HTTP/1 waits for what a client still sends.
func TestLeaveUnread(t *testing.T) {
	for _, tt := range []struct {
		major  int
		length int64
		want   string
	}{{1, 5, "close"}, {1, -1, "close"}, {1, 0, ""}, {2, 5, ""}} {
		w := httptest.NewRecorder()
		bodies.LeaveUnread(w, &http.Request{ProtoMajor: tt.major, ContentLength: tt.length})
		if got := w.Header().Get("Connection"); got != tt.want {
			t.Errorf("HTTP/%d, %d bytes: %q", tt.major, tt.length, got)
		}
	}
}
