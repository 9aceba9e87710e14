package pages

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

func TestProblemWrite(t *testing.T) {
	tests := []struct {
		name       string
		p          Problem
		retryAfter time.Duration
		want       map[string]any
		wait       string
	}{
		{
			"signed out", NewProblem(outcome.SignInRequired, "r1", "/zoom_pkce/login?return_to=%2Fx"), 0,
			map[string]any{
				"type": "about:blank", "title": "Unauthorized", "status": 401.0, "code": "sign_in_required",
				"detail": "This site asks you to sign in with your Zoom account.", "request_id": "r1",
				"login_url": "/zoom_pkce/login?return_to=%2Fx",
			},
			"",
		},
		{
			"without login and id", NewProblem(outcome.NotAllowed, "", ""), 0,
			map[string]any{
				"type": "about:blank", "title": "Forbidden", "status": 403.0, "code": "not_allowed",
				"detail": "You are signed in, but this site is not open to your Zoom account.",
			},
			"",
		},
		{
			"a client with a stale id", NewProblem(outcome.BadClient, "", ""), 0,
			map[string]any{
				"type": "about:blank", "title": "Bad Request", "status": 400.0, "code": "bad_client", "error": "invalid_client",
				"detail": "The program that sent you here is not one that this site knows, or wants you sent back to where it may not.",
			},
			"",
		},
		{
			"unavailable", NewProblem(outcome.StoreUnavailable, "r1", ""), 0,
			map[string]any{
				"type": "about:blank", "title": "Service Unavailable", "status": 503.0, "code": "store_unavailable",
				"detail": "This site cannot read its stored sign-ins at the moment; yours is not lost.", "request_id": "r1",
			},
			"5",
		},
		{
			"unavailable for long", NewProblem(outcome.ZoomRateLimited, "r1", ""), 61500 * time.Millisecond,
			map[string]any{
				"type": "about:blank", "title": "Service Unavailable", "status": 503.0, "code": "zoom_rate_limited",
				"detail": "This site has sent Zoom more requests than Zoom allows.", "request_id": "r1",
			},
			"62",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.p.Write(w, Security{HSTS: true}, tt.retryAfter)
			res := w.Result()
			if res.StatusCode != tt.p.Status {
				t.Errorf("status %d", res.StatusCode)
			}
			for key, want := range map[string]string{
				"Content-Type":              "application/problem+json",
				"Cache-Control":             "no-store",
				"Retry-After":               tt.wait,
				"X-Content-Type-Options":    "nosniff",
				"Referrer-Policy":           "same-origin",
				"Strict-Transport-Security": "max-age=31536000",
				"Content-Security-Policy":   "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
			} {
				if got := res.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSetRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		status int
		wait   time.Duration
		want   string
	}{
		{401, 0, ""}, {401, -1, ""}, {401, 1, "1"}, {429, time.Second, "1"}, {429, time.Second + 1, "2"}, {503, 0, "5"}, {503, -1, "5"}, {503, time.Hour, "3600"},
	} {
		w := httptest.NewRecorder()
		if SetRetryAfter(w.Header(), tt.status, tt.wait); w.Header().Get("Retry-After") != tt.want {
			t.Errorf("%d, %v: %q", tt.status, tt.wait, w.Header().Get("Retry-After"))
		}
	}
}

func TestWriteJSON(t *testing.T) {
	for _, tt := range []struct {
		value  any
		status int
		body   string
	}{
		{map[string]int{"a": 1}, 200, "{\"a\":1}\n"},
		{make(chan int), 500, "{}\n"}, // a mistake of ours
	} {
		w := httptest.NewRecorder()
		WriteJSON(w, 200, "application/json", tt.value, Security{}, 0)
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Content-Length") != strconv.Itoa(len(tt.body)) {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
}
