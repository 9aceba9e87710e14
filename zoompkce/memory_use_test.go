package zoompkce_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// signedInUsers returns the cookies of signed-in users, who are in no memory yet,
// with tokens of 660 bytes.
func signedInUsers(tb testing.TB, w *world, count int) (headers [][]string) {
	tb.Helper()
	p := w.processWith(tb)
	zoom := w.zoom
	for n := range count {
		id := fmt.Sprintf("KdYKjnimT4KPd8FFgQt%05d", n)
		access := fmt.Sprintf("e30.%05d", n) + strings.Repeat("a", 650)
		zoom.Fail(zoomtest.CallCode, 1, zoomtest.Status(200, fmt.Sprintf(
			`{"access_token":%q,"token_type":"bearer","refresh_token":%q,"expires_in":3599,"scope":"user:read:user user:read:zak user:read:token","api_url":%q}`,
			access, "r"+access, zoom.URL)))
		zoom.Fail(zoomtest.CallMe, 1, zoomtest.Status(200, fmt.Sprintf(
			`{"id":%q,"account_id":"q6gBJVO5TzexKYTb_I2rpg","email":"%s@company.example","verified":1,"display_name":"Somebody %d"}`, id, id, n)))
		b := newBrowser()
		l, _, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI})
		if err != nil {
			tb.Fatal(err)
		}
		in, err := p.SignIn(ctx, l, "code", nil)
		if err != nil {
			tb.Fatal(err)
		}
		b.set(in.Cookie)
		headers = append(headers, b.header())
	}
	return headers
}

func heap() uint64 {
	var stats runtime.MemStats
	for range 5 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestMemoryOfCachedUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("signs many users in")
	}
	const users, limit = 10_000, 4 << 10
	w := newWorld(t)
	w.zoom.ResetCounts()
	headers := signedInUsers(t, w, users)
	p := w.process()
	before := heap()
	for _, header := range headers {
		s, err := p.Session(ctx, header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.AccessToken(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / users
	t.Logf("%d bytes for a cached user", each)
	if each > limit {
		t.Errorf("%d bytes for a cached user, at most %d are allowed", each, limit)
	}
	if n := p.state.Users(); n != users {
		t.Errorf("%d users in memory", n)
	}
	runtime.KeepAlive(headers)
}

func BenchmarkRequest(b *testing.B) {
	w := newWorld(b)
	header := signedInUsers(b, w, 1)[0]
	w.zoom.Fail(zoomtest.CallZAK, -1, zoomtest.Status(200, `{"token":"`+strings.Repeat("z", 360)+`"}`))
	serve := func(b *testing.B, p *process, zak bool) {
		s, err := p.Session(ctx, header)
		if err == nil {
			_, err = p.AccessToken(ctx, s)
		}
		if err == nil && zak {
			_, err = p.ZAK(ctx, s, zoompkce.ZAKPolicy{MaxAge: time.Hour, Lifetime: 0})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	calm := func(c *zoompkce.ManagerConfig) { c.SyncInterval = time.Hour }
	b.Run("cached", func(b *testing.B) {
		p := w.processWith(b, calm)
		b.ReportAllocs()
		for b.Loop() {
			serve(b, p, true)
		}
	})
	b.Run("cached, parallel", func(b *testing.B) {
		p := w.processWith(b, calm)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				serve(b, p, true)
			}
		})
	})
	b.Run("cookie and record unknown", func(b *testing.B) {
		p := w.processWith(b, calm)
		b.ReportAllocs()
		for b.Loop() {
			zoompkce.Forget(p.state)
			serve(b, p, false)
		}
	})
	b.Run("garbage", func(b *testing.B) {
		p := w.processWith(b, calm)
		b.ReportAllocs()
		garbage := []string{p.SessionCookieName() + "=" + strings.Repeat("a", 203)}
		for b.Loop() {
			if _, err := p.Session(ctx, garbage); err == nil {
				b.Fatal("signed in")
			}
		}
	})
}
