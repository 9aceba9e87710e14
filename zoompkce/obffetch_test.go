package zoompkce_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestOBF(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		obf := func(meeting string, lifetime time.Duration) string {
			t.Helper()
			o, err := p.OBF(ctx, s, meeting, lifetime)
			if err != nil {
				w.Fatal(err)
			}
			if _, got, ok := w.zoom.ValidateOBF(o.Token); !ok || got != meeting {
				w.Errorf("a token for meeting %s, %v", got, ok)
			}
			return o.Token
		}
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() { obf("123456789", 0) })
		}
		wait.Wait()
		w.calls(zoomtest.CallOBF, 1)

		first := obf("123456789", 0)
		time.Sleep(59 * time.Minute)
		if obf("123456789", 0) != first {
			w.Error("fetched before half of its life was over")
		}
		time.Sleep(2 * time.Minute)
		s = p.session(b)
		second := obf("123456789", 0)
		if second == first {
			w.Error("used beyond half of its life")
		}
		if obf("123456789", time.Hour) == second {
			w.Error("another lifetime is another token")
		}
		for n := range 8 {
			obf(fmt.Sprint(200000000+n), 0)
		}
		w.zoom.ResetCounts()
		for n := range 8 {
			obf(fmt.Sprint(200000000+n), 0)
		}
		w.calls(zoomtest.CallOBF, 0)
		obf("123456789", 0)
		w.calls(zoomtest.CallOBF, 1)

		w.zoom.Fail(zoomtest.CallOBF, -1, zoomtest.Hang())
		for n := range 3 {
			w.took(10*time.Second+time.Millisecond, func() {
				if _, err := p.OBF(ctx, s, fmt.Sprint(300000000+n), 0); zoomapi.KindOf(err) != zoomapi.KindUnavailable {
					w.Error(err)
				}
				time.Sleep(time.Millisecond)
			})
		}
		w.calls(zoomtest.CallOBF, 2) // one more was tried, and the failure remembered
		if _, err := p.OBF(ctx, s, "not a meeting", 0); err == nil {
			w.Error("a token for no meeting")
		}
	})
}
