package zoomtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
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
