package zoomtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// kinds runs a test in process and over a real connection.
func kinds(t *testing.T, test func(t *testing.T, s *Server)) {
	t.Run("in process", func(t *testing.T) {
		s := NewUnstartedServer()
		defer s.Close()
		test(t, s)
	})
	t.Run("started", func(t *testing.T) {
		s := NewServer()
		defer s.Close()
		test(t, s)
	})
}

func TestFailures(t *testing.T) {
	kinds(t, func(t *testing.T, s *Server) {
		client := *s.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		get := func(h http.Handler) (*http.Response, string, error) {
			s.Fail(CallMe, 1, h)
			resp, err := client.Get(s.URL + "/v2/users/me")
			if err != nil {
				return nil, "", err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return resp, string(b), err
		}

		const ours = "application/json;charset=UTF-8"
		resp, body, err := get(Status(503, "{}", "Retry-After", "7", "X-Other", "8"))
		if err != nil || resp.StatusCode != 503 || body != "{}" || resp.Header.Get("Retry-After") != "7" || resp.Header.Get("X-Other") != "8" || resp.Header.Get("Content-Type") != ours {
			t.Errorf("Status: %v %q %v", resp, body, err)
		}
		resp, body, err = get(RateLimited("2026-12-01T00:00:00Z", true))
		if err != nil || resp.StatusCode != 429 || !strings.Contains(body, "daily") ||
			resp.Header.Get("X-RateLimit-Type") != "Daily-limit" || resp.Header.Get("Retry-After") == "" ||
			resp.Header.Get("X-RateLimit-Limit") != "6000" || resp.Header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("RateLimited: %v %q %v", resp, body, err)
		}
		resp, body, err = get(HTML())
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(body, "<!doctype html>") {
			t.Errorf("HTML: %v %q %v", resp, body, err)
		}
		resp, _, err = get(Redirect("https://evil.example/"))
		if err != nil || resp.StatusCode != 302 || resp.Header.Get("Location") != "https://evil.example/" {
			t.Errorf("Redirect: %v %v", resp, err)
		}
		_, body, err = get(Huge(100_000))
		if err != nil || len(body) != 100_000 {
			t.Errorf("Huge: %d bytes, %v", len(body), err)
		}
		resp, body, err = get(Drip(time.Millisecond, "abc"))
		if err != nil || body != "abc" || resp.Header.Get("Content-Type") != ours {
			t.Errorf("Drip: %q %v %v", body, resp, err)
		}
		resp, body, err = get(Truncated("abcdef"))
		if !errors.Is(err, io.ErrUnexpectedEOF) || body != "abc" || resp.Header.Get("Content-Type") != ours {
			t.Errorf("Truncated: %q %v %v", body, resp, err)
		}
		if _, _, err = get(ResetConn()); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("ResetConn: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		s.Fail(CallMe, 1, Hang())
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v2/users/me", nil)
		if _, err := client.Do(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Hang: %v", err)
		}
	})
}

// Each byte of a dripping answer is on its way at once, and after a minute there are no more.
func TestDrip(t *testing.T) {
	w := httptest.NewRecorder()
	if Drip(0, "a").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); !w.Flushed {
		t.Error("it is not flushed")
	}
	synctest.Test(t, func(t *testing.T) {
		resp, err := (&http.Client{Transport: NewTransport(Drip(time.Second, strings.Repeat("x", 100)))}).Get("https://zoom.test")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		body, err := io.ReadAll(resp.Body)
		if took := time.Since(began); len(body) > 61 || took != time.Minute || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes in %v, %v", len(body), took, err)
		}
		resp.Body.Close()
	})
}

func TestFaultsQueueUpAndEnd(t *testing.T) {
	w := newWorld(t)
	w.Fail(CallMe, 2, Status(500, ""))
	w.Fail(CallMe, -1, Status(501, ""))
	w.Fail(CallAny, 1, Status(502, ""))
	var got []int
	for range 4 {
		status, _ := w.get("", "/v2/users/me")
		got = append(got, status)
	}
	for range 2 {
		status, _ := w.get("", "/v2/users/me/zak")
		got = append(got, status)
	}
	w.Fail(CallZAK, -1, Status(500, ""))
	w.Restore(CallMe)
	if status, _ := w.get("", "/v2/users/me/zak"); status != 500 {
		t.Errorf("another kind was restored, too: %d", status)
	}
	w.Restore(CallAny)
	if status, _ := w.get("", "/v2/users/me/zak"); status != 401 {
		t.Errorf("not all kinds are restored: %d", status)
	}
	status, _ := w.get("", "/v2/users/me")
	got = append(got, status)
	want := []int{500, 500, 501, 501, 502, 401, 401}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// A handler of one's own reads the request that Zoom has looked at.
func TestFaultsReadTheBody(t *testing.T) {
	w := newWorld(t)
	w.Fail(CallRefresh, 1, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) }))
	form := refreshForm(w.app, "x")
	if _, body := w.post("/oauth/token", w.app, form); body != form.Encode() {
		t.Errorf("read %q", body)
	}
}

func TestFailedCallIsNotProcessed(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.Fail(CallRefresh, 1, Status(502, ""))
	w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)))
}

func TestLostAnswerWasProcessed(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.FailAfter(CallRefresh, 1, Status(502, ""))
	if status, _ := w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh)); status != 502 {
		t.Fatal(status)
	}
	status, body := w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	expect(t, status, body, 400, invalidTokenBody)
}

func TestCountsAndRecordings(t *testing.T) {
	w := newWorld(t)
	tk := w.signIn(w.app)
	w.post("/oauth/token", w.app, refreshForm(w.app, tk.Refresh))
	for call, want := range map[Call]int{
		CallAuthorize: 1, CallConsent: 1, CallCode: 1, CallRefresh: 1, CallMe: 0, CallAny: 4,
	} {
		if n := w.Count(call); n != want {
			t.Errorf("%s: %d calls", call, n)
		}
	}
	list := w.Requests(CallCode)
	if len(list) != 1 || list[0].Form.Get("code_verifier") != verifier || list[0].Host != "zoom.test" ||
		list[0].Path != "/oauth/token" || list[0].Header.Get("Authorization") == "" || list[0].Time.IsZero() {
		t.Errorf("recorded %+v", list)
	}
	w.ResetCounts()
	if w.Count(CallAny) != 0 || len(w.Requests(CallCode)) != 0 {
		t.Error("not reset")
	}
	for range 2*maxRecorded + 1 {
		w.get("", "/v2/users/me")
	}
	if n := len(w.Requests(CallMe)); n != maxRecorded || w.Count(CallMe) != 2*maxRecorded+1 {
		t.Errorf("%d calls remembered", n)
	}
}

func TestCallsAreToldApart(t *testing.T) {
	for path, want := range map[string]Call{
		"/oauth/token?grant_type=password":      CallToken,
		"/oauth/token?grant_type=refresh_token": CallRefresh,
		"/v2/users/me":                          CallMe,
		"/v2/users/me/":                         CallOther,
		"/v2/users/":                            CallOther,
		"/v2/users/me/zak":                      CallZAK,
		"/v2/users/me/token":                    CallUserToken,
		"/v2/users/me/token?type=zak":           CallZAKToken,
		"/v2/users/me/token?type=onbehalf":      CallOBF,
		"/v2/users/me/settings":                 CallOther,
		"/v2/zoomapp/deeplink":                  CallDeeplink,
		"/oauth/Token":                          CallOther,
	} {
		u, _ := url.Parse(path)
		if got := classify(u.Path, u.Query()); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
}

// Zoom's trouble can concern one user alone, whatever kind of token tells who
// it is.
func TestFaultsOfOneUser(t *testing.T) {
	w := newWorld(t)
	ada := w.signIn(w.app)
	w.user = w.AddUser(User{ID: "grace"})
	grace := w.signIn(w.app)
	w.ResetCounts()
	ask := func(tk tokens, path string, want int) {
		t.Helper()
		if status, body := w.get(tk.Access, path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}

	w.FailUser("ada", CallZAK, 1, RateLimited("", false))
	w.FailUser("ada", CallOBF, 1, RateLimited("2026-12-01T00:00:00Z", true))
	w.Fail(CallZAK, 1, Status(500, ""))
	ask(grace, "/v2/users/me/zak", 500)
	ask(grace, "/v2/users/me/zak", 200)
	ask(grace, "/v2/users/me/token?type=onbehalf", 200)
	ask(ada, "/v2/users/me/token?type=onbehalf", 429)
	ask(ada, "/v2/users/me/zak", 429)
	ask(ada, "/v2/users/me/zak", 200)
	ask(ada, "/v2/users/me/token?type=onbehalf", 200)
	if w.CountUser(CallOBF, "ada") != 2 || w.CountUser(CallOBF, "grace") != 1 || w.Count(CallOBF) != 3 || w.CountUser(CallAny, "ada") != 4 {
		t.Error("not counted apart")
	}

	w.FailUser("ada", CallAny, -1, Status(503, ""))
	if status, _ := w.post("/oauth/token", w.app, refreshForm(w.app, ada.Refresh)); status != 503 {
		t.Errorf("refresh: %d", status)
	}
	if status, _ := w.post("/oauth/revoke", w.app, url.Values{"token": {ada.Access}}); status != 503 {
		t.Errorf("revoke: %d", status)
	}
	code := w.code(w.app) // Grace's, who is not concerned
	w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, code)))
	if list := w.Requests(CallCode); list[0].UserID != "grace" {
		t.Errorf("the code of %q", list[0].UserID)
	}
	w.Restore(CallAny)
	w.tokens(w.post("/oauth/token", w.app, refreshForm(w.app, ada.Refresh)))
}
