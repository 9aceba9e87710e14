package caddystore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// memoryZoom answers as Zoom does and remembers nothing, so that the memory
// that grows is ours. Its tokens have the length of Zoom's.
func memoryZoom(tb testing.TB) *httptest.Server {
	tb.Helper()
	token, zak := strings.Repeat("t", 660), strings.Repeat("z", 512)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var body any
		switch r.URL.Path {
		case "/oauth/token":
			// The code names the user, the token carries it on.
			user := r.PostFormValue("code")
			body = map[string]any{
				"access_token": user + token[len(user):], "refresh_token": user + token[len(user):], "token_type": "bearer",
				"expires_in": 3600, "scope": "user:read:user user:read:zak user:read:token",
			}
		case "/v2/users/me":
			user, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "t")
			body = map[string]any{
				"id": user + "0123456789abcde", "account_id": "AbCdEfGhIjKlMnOpQrStUv",
				"email": user + "@example.com", "verified": 1, "display_name": "Ada Lovelace of " + user,
			}
		case "/v2/users/me/zak":
			body = map[string]any{"token": zak}
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	tb.Cleanup(server.Close)
	return server
}

// cachedUserBytes is how much memory a user takes whose session is cached, of
// many, without and with a ZAK.
func cachedUserBytes(tb testing.TB, users int) (withoutZAK, withZAK float64) {
	tb.Helper()
	zoom := memoryZoom(tb)
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: "AbCdEfGhIjKlMnOpQrStU", ClientSecret: "a-client-secret", OAuthURL: zoom.URL, APIURL: zoom.URL,
	})
	if err != nil {
		tb.Fatal(err)
	}
	store := memstore.New()
	newManager := func() *zoompkce.Manager {
		state := zoompkce.NewMemory()
		state.SetCacheSize(users)
		manager, err := zoompkce.NewManager(zoompkce.ManagerConfig{
			Client: client, Store: store, Memory: state, Secrets: [][]byte{[]byte("a-cookie-secret-of-32-bytes-or-more")},
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			manager.Close()
			state.Close()
		})
		return manager
	}
	cookies := signInAll(tb, newManager(), users)

	// Another process, which finds them in the store.
	manager := newManager()
	before := heapInUse()
	sessions := func(use func(context.Context, *zoompkce.Session)) {
		for _, cookie := range cookies {
			session, err := manager.Session(tb.Context(), []string{cookie})
			if err != nil {
				tb.Fatal(err)
			}
			use(tb.Context(), session)
		}
	}
	sessions(func(context.Context, *zoompkce.Session) {})
	cached := heapInUse()
	sessions(func(ctx context.Context, s *zoompkce.Session) {
		if _, err := manager.ZAK(ctx, s, zoompkce.ZAKPolicy{MaxAge: 5 * time.Minute}); err != nil {
			tb.Fatal(err)
		}
	})
	all := heapInUse()
	runtime.KeepAlive(cookies)
	return float64(cached-before) / float64(users), float64(all-before) / float64(users)
}

// signInAll signs users in and returns their Cookie headers.
func signInAll(tb testing.TB, manager *zoompkce.Manager, users int) (cookies []string) {
	tb.Helper()
	for n := range users {
		login, _, err := manager.BeginLogin(tb.Context(), nil, zoompkce.LoginRequest{
			Flow: zoompkce.BrowserFlow, RedirectURI: "https://app.example.com/zoom_pkce/callback", ReturnURL: "/",
		})
		if err != nil {
			tb.Fatal(err)
		}
		signedIn, err := manager.SignIn(tb.Context(), login, fmt.Sprintf("u%d", n), nil)
		if err != nil {
			tb.Fatal(err)
		}
		cookies = append(cookies, signedIn.Cookie.Name+"="+signedIn.Cookie.Value)
	}
	return cookies
}

func heapInUse() int64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// What a cached user with one session may take, in bytes.
func TestMemoryOfACachedUser(t *testing.T) {
	const limit = 4 << 10
	withoutZAK, withZAK := cachedUserBytes(t, 1000)
	t.Logf("%.0f bytes, with a ZAK %.0f", withoutZAK, withZAK)
	if withZAK > limit {
		t.Errorf("a cached user takes %.0f bytes, with a ZAK %.0f, more than %d", withoutZAK, withZAK, limit)
	}
}

// BenchmarkCachedUser is the memory of a cached user with one session and
// 660-byte tokens.
func BenchmarkCachedUser(b *testing.B) {
	withoutZAK, withZAK := cachedUserBytes(b, 10_000)
	for b.Loop() {
		// The users above are the measurement.
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(withoutZAK, "B/user")
	b.ReportMetric(withZAK, "B/user-with-ZAK")
}

// BenchmarkColdSession is the first request of a session in a process: the
// cookie is opened, the user record read from disk and opened.
func BenchmarkColdSession(b *testing.B) {
	zoom := memoryZoom(b)
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: "AbCdEfGhIjKlMnOpQrStU", ClientSecret: "a-client-secret", OAuthURL: zoom.URL, APIURL: zoom.URL,
	})
	if err != nil {
		b.Fatal(err)
	}
	store := New(&certmagic.FileStorage{Path: b.TempDir()}, zap.NewNop())
	b.Cleanup(func() { _ = store.Cleanup() })
	newManager := func() (*zoompkce.Manager, func()) {
		state := zoompkce.NewMemory()
		manager, err := zoompkce.NewManager(zoompkce.ManagerConfig{Client: client, Store: store, Memory: state, Secrets: [][]byte{[]byte("a-cookie-secret-of-32-bytes-or-more")}})
		if err != nil {
			b.Fatal(err)
		}
		return manager, func() {
			manager.Close()
			state.Close()
		}
	}
	first, end := newManager()
	cookies := signInAll(b, first, 64)
	end()
	manager, end := newManager()
	next := 0
	b.ReportAllocs()
	for b.Loop() {
		if next == len(cookies) {
			b.StopTimer()
			end()
			manager, end = newManager()
			next = 0
			b.StartTimer()
		}
		if _, err := manager.Session(b.Context(), cookies[next:next+1]); err != nil {
			b.Fatal(err)
		}
		next++
	}
	end()
}
