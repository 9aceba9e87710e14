package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// members are the names in a JSON object, in order.
func (a answer) members(t *testing.T) []string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.body), &object); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("got %d\n%s", a.StatusCode, a.body)
	}
	return slices.Sorted(maps.Keys(object))
}

// pageZAK is an answer of the endpoint zak, pageOBF one of obf.
type pageZAK struct {
	ZAK       string
	FetchedAt time.Time `json:"fetched_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type pageOBF struct {
	Token     string    `json:"obf_token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a answer) zak(t *testing.T) (got pageZAK) {
	t.Helper()
	if got := a.members(t); !slices.Equal(got, []string{"expires_at", "fetched_at", "zak"}) {
		t.Fatalf("got %q", got)
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func (a answer) obf(t *testing.T) (got pageOBF) {
	t.Helper()
	if got := a.members(t); !slices.Equal(got, []string{"expires_at", "obf_token"}) {
		t.Fatalf("got %q", got)
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPageZAK(t *testing.T) {
	for _, tt := range []struct {
		name, option string
		call         zoomtest.Call
		life         time.Duration
	}{
		{"as in headers", "", zoomtest.CallZAK, 5 * time.Minute},
		{"not in headers", "zak off", zoomtest.CallZAK, 5 * time.Minute},
		{"with a lifetime", "zak {\nlifetime 30m\n}", zoomtest.CallZAKToken, 30 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("page_tokens on", tt.option))
			b := w.browser()
			b.signIn("/", "user-ada")
			handedOn := counted(t, "zak_age_seconds{}")
			got := b.post("zak", "").zak(t)
			if n := counted(t, "zak_age_seconds{}") - handedOn; n != 1 {
				t.Errorf("the age of the ZAK was counted %v times", n)
			}
			user, fetched, ok := w.zoom.ValidateZAK(got.ZAK)
			if !ok || user != "user-ada" {
				t.Errorf("the ZAK is not Ada's")
			}
			if d := got.FetchedAt.Sub(fetched).Abs(); d > 2*time.Second {
				t.Errorf("fetched_at is %s from the fetch", d)
			}
			if d := got.ExpiresAt.Sub(fetched.Add(tt.life)).Abs(); d > 2*time.Second {
				t.Errorf("expires_at is %s from the end", d)
			}
			if again := b.post("zak", "").zak(t); again != got || w.zoom.Count(tt.call) != 1 {
				t.Errorf("a second ZAK within max_age: %d calls", w.zoom.Count(tt.call))
			}
		})
	}
}

func TestPageZAKIsYoungerThanMaxAge(t *testing.T) {
	const maxAge = 100 * time.Millisecond
	w := newWorld(t)
	w.load(w.site("page_tokens on", "zak {\nmax_age 100ms\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for range 5 {
		asked := time.Now()
		_, fetched, ok := w.zoom.ValidateZAK(b.post("zak", "").zak(t).ZAK)
		// A moment for the way from Zoom, which is when its age begins here.
		if age := asked.Sub(fetched); !ok || age > maxAge+50*time.Millisecond {
			t.Errorf("a ZAK of %s", age)
		}
		time.Sleep(5 * maxAge) // for longer than ZAKs are fetched ahead
	}
}

func TestPageOBF(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("page_tokens on"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, tt := range []struct{ name, meeting, want string }{
		{"a string", `"123456789012"`, "123456789012"},
		{"a number", `123456789`, "123456789"},
		{"as people write it", `"123 456-7890"`, "1234567890"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := b.post("obf", `{"meeting_id":`+tt.meeting+`}`)
			got := a.obf(t)
			if user, meeting, ok := w.zoom.ValidateOBF(got.Token); !ok || user != "user-ada" || meeting != tt.want {
				t.Errorf("the token is of %q for meeting %q", user, meeting)
			}
			if d := time.Until(got.ExpiresAt) - 2*time.Hour; d.Abs() > 2*time.Second {
				t.Errorf("it ends %s from 2 hours", d)
			}
		})
	}
}

func TestPageOBFLifetime(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("page_tokens on", "obf {\nmeeting_id {http.request.uri.query.meeting}\nlifetime 10m\n}"))
	b := w.browser()
	b.signIn("/", "user-ada")
	got := b.post("obf", `{"meeting_id":"123456789"}`).obf(t)
	if d := time.Until(got.ExpiresAt) - 10*time.Minute; d.Abs() > 2*time.Second {
		t.Errorf("it ends %s from 10 minutes", d)
	}
}

func TestPageOBFRefuses(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("page_tokens on"))
	b := w.browser()
	b.signIn("/", "user-ada")
	for _, tt := range []struct {
		name, body string
		header     []string
	}{
		{name: "no meeting", body: `{}`},
		{name: "null", body: `{"meeting_id":null}`},
		{name: "nothing but null", body: `null`},
		{name: "a bare list", body: `[]`},
		{name: "a bare text", body: `"123456789"`},
		{name: "a bare number", body: `123456789`},
		{name: "a wrong name", body: `{"meetingId":"123456789"}`},
		{name: "8 digits", body: `{"meeting_id":"12345678"}`},
		{name: "13 digits", body: `{"meeting_id":1234567890123}`},
		{name: "a parameter more", body: `{"meeting_id":"123456789&type=zak"}`},
		{name: "a link", body: `{"meeting_id":"https://zoom.us/j/123456789"}`},
		{name: "other digits", body: `{"meeting_id":"１２３４５６７８９"}`},
		{name: "a list", body: `{"meeting_id":["123456789"]}`},
		{name: "not JSON", body: `meeting_id=123456789`},
		{name: "1 MB", body: fmt.Sprintf(`{"meeting_id":"123456789","pad":%q}`, strings.Repeat("x", 1<<20))},
		{name: "JSON that says it is text", body: `{"meeting_id":"123456789"}`, header: []string{"Content-Type", "text/plain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p := b.post("obf", tt.body, tt.header...).problem(t); p.Code != "bad_request" || p.Status != http.StatusBadRequest {
				t.Errorf("got %d %s", p.Status, p.Code)
			}
		})
	}
	if n := w.zoom.Count(zoomtest.CallOBF); n != 0 {
		t.Errorf("%d calls to Zoom", n)
	}
}

func TestPageTokensWhenZoomRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault http.Handler
		want  string
	}{
		{"down", zoomtest.Status(http.StatusInternalServerError, ""), "zak_unavailable"},
		{"over the limit", zoomtest.Status(http.StatusTooManyRequests, `{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}`), "zoom_rate_limited"},
		{"without the scope", zoomtest.Status(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:zak]."}`), "missing_scope"},
	} {
		for _, e := range []struct {
			path, body string
			call       zoomtest.Call
		}{
			{"zak", "", zoomtest.CallZAK},
			{"obf", `{"meeting_id":"123456789"}`, zoomtest.CallOBF},
		} {
			t.Run(e.path+"/"+tt.name, func(t *testing.T) {
				w := newWorld(t)
				w.load(w.site("page_tokens on", "zak off"))
				b := w.browser()
				b.signIn("/", "user-ada")
				w.zoom.Fail(e.call, -1, tt.fault)
				a := b.post(e.path, e.body)
				if p := a.problem(t); p.Code != tt.want || a.StatusCode != statusOf[tt.want] || p.LoginURL != "" {
					t.Errorf("got %d %+v, want %s", a.StatusCode, p, tt.want)
				}
				if a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			})
		}
	}
}
