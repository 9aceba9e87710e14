package zoomtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransportHandsRequestsOver(t *testing.T) {
	client := &http.Client{Transport: NewTransport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.RequestURI+" "+string(b))
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "1")
		_, _ = io.WriteString(w, "one ")
		_, _ = io.WriteString(w, "two")
	}))}
	resp, err := client.Post("https://any.example/a%2Fb?c=d#e", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if seen := resp.Header.Get("X-Seen"); seen != "POST any.example /a%2Fb?c=d body" {
		t.Errorf("the handler saw %q", seen)
	}
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Late") != "" || string(b) != "one two" || err != nil {
		t.Errorf("got %v %q %v", resp, b, err)
	}
}

func TestTransportHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{}, 2)
		wait := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/started" {
				_, _ = io.WriteString(w, "a")
			}
			<-r.Context().Done()
			left <- struct{}{}
		})
		client := &http.Client{Transport: NewTransport(wait), Timeout: time.Second}
		start := time.Now()
		if _, err := client.Get("https://zoom.test/"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the answer: %v", err)
		}
		<-left
		resp, err := client.Get("https://zoom.test/started")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reading the body: %v", err)
		}
		<-left
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("took %v", d)
		}
		resp.Body.Close()
	})
}

func TestTransportTellsTheHandlerThatTheClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{})
		client := &http.Client{Transport: NewTransport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "a")
			<-r.Context().Done()
			close(left)
		}))}
		resp, err := client.Get("https://zoom.test/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		<-left
	})
}

// body notes that it was closed.
type body struct {
	io.Reader
	closed chan struct{}
}

func (b *body) Close() error {
	close(b.closed)
	return nil
}

// The handler sees what a server would see, and the client what a client would.
func TestTransportIsLikeAConnection(t *testing.T) {
	transport := NewTransport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/a%2Fb?c" || r.RemoteAddr == "" {
			t.Errorf("%s from %q", r.URL, r.RemoteAddr)
		}
		w.Header().Set("Content-Length", "11")
		for text, want := range map[string]int{"four": 4, r.Host: len(r.Host)} {
			if n, err := io.WriteString(w, text); n != want || err != nil {
				t.Errorf("%s: %d bytes, %v", text, n, err)
			}
		}
		if n, err := io.WriteString(w, "more"); n != 0 || !errors.Is(err, http.ErrContentLength) {
			t.Errorf("more than was announced: %d, %v", n, err)
		}
	}))
	for host, want := range map[string]string{"": "a.examp", "another": "another"} {
		sent := &body{strings.NewReader("x"), make(chan struct{})}
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: "a.examp", Path: "/a/b", RawPath: "/a%2Fb", RawQuery: "c"}, Host: host, Body: sent, Header: http.Header{}}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if got := string(text); err != nil || got != "four"+want && got != want+"four" || resp.ContentLength != 11 || !resp.ProtoAtLeast(1, 1) || resp.ProtoMinor != 1 || resp.ProtoMajor != 1 {
			t.Errorf("got %q, %v, %+v", got, err, resp)
		}
		<-sent.closed
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sent := &body{strings.NewReader("x"), make(chan struct{})}
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://a.example/never", sent)
	if _, err := transport.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("of somebody who has gone: %v", err)
	}
	<-sent.closed
}

func TestTransportOfAnswersThatBreakOff(t *testing.T) {
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"reset": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			panic(http.ErrAbortHandler)
		}, syscall.ECONNRESET},
		"nothing announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "0")
			if _, err := io.WriteString(w, "a"); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("more than nothing: %v", err)
			}
		}, nil},
	} {
		resp, err := (&http.Client{Transport: NewTransport(tt.handler)}).Get("https://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		resp.Body.Close()
	}
}
