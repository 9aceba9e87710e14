package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// crashVisitor is a person who signs in and works whatever happens to Caddy.
type crashVisitor struct {
	*browser
	user    string
	logins  int
	refused int // waits that a 503 asked for
}

// step opens a page. It returns true when that has worked, an error for an
// answer that nobody should get, and (false, nil) for another try. Requests
// that a killed process did not answer are errGone.
func (v *crashVisitor) step(ctx context.Context) (bool, error) {
	target := "/"
	for range 8 {
		resp, body, err := v.get(ctx, target)
		if err != nil {
			return false, errGone
		}
		location := resp.Header.Get("Location")
		switch {
		case resp.StatusCode == http.StatusOK:
			return true, nil
		case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
			v.refused++
			return false, nil
		case resp.StatusCode == http.StatusBadGateway && strings.Contains(body, "code_refused"):
			// Twice in a row the user signed in with another browser at that very moment,
			// which ended at Zoom what this code had brought.
			return false, nil
		case resp.StatusCode != http.StatusSeeOther:
			return false, fmt.Errorf("%s got %d\n%s", target, resp.StatusCode, body)
		case location[0] == '/':
			target = location
		default:
			v.logins++
			if target, err = v.w.zoom.SignIn(ctx, location, v.user); err != nil {
				return false, err
			}
		}
	}
	return false, errors.New("a sign-in goes round and round")
}

var errGone = errors.New("the server is gone")

func (v *crashVisitor) get(ctx context.Context, target string) (*http.Response, string, error) {
	r := v.request(http.MethodGet, target, navigate...).WithContext(ctx)
	resp, err := v.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestKilledAtAnyMoment kills a Caddy again and again in the midst of sign-ins
// and refreshes.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 10
	if testkit.Thorough() {
		kills = 200
	}
	w := newWorld(t)
	site := w.site(secrets(oldSecret), "refresh_margin 1ms", "zoom_timeout 2s", "session {\nsync_interval 100ms\n}", "zak off")
	w.tokensLive(time.Second)
	visitors := make([]*crashVisitor, 12)
	for i := range visitors {
		user := "user-" + strconv.Itoa(min(i, 6+i%3)) // some have several browsers
		w.zoom.AddUser(zoomtest.User{ID: user})
		visitors[i] = &crashVisitor{browser: w.browser(), user: user}
	}
	var worked atomic.Int64
	for range kills {
		c := w.begin(site).await()
		var busy sync.WaitGroup
		for i, v := range visitors {
			v.at(c)
			busy.Go(func() {
				for t.Context().Err() == nil {
					ok, err := v.step(t.Context())
					if errors.Is(err, errGone) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					if ok {
						worked.Add(1)
						if i >= len(visitors)/2 && rand.IntN(8) == 0 { // signs in anew, with another browser
							v.browser = w.browser().at(c)
						}
					}
					time.Sleep(rand.N(20 * time.Millisecond))
				}
			})
		}
		time.Sleep(10*time.Millisecond + rand.N(500*time.Millisecond))
		c.kill()
		busy.Wait()
		if t.Failed() {
			return
		}
	}

	// A lock that a killed process has left is stale after 10 seconds.
	w.tokensLive(time.Hour)
	config, admin := w.withAdmin(site)
	w.load(config)
	for _, v := range visitors {
		v.client.Transport = plain.Transport
		deadline := time.Now().Add(25 * time.Second)
		for {
			ok, err := v.step(t.Context())
			if err != nil {
				t.Fatalf("after all kills: %v", err)
			}
			if ok {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s gets nothing but 503 after all kills", v.user)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	logins, refused := 0, 0
	for _, v := range visitors {
		logins, refused = logins+v.logins, refused+v.refused
		a := w.operator().admin(http.MethodGet, userURL(admin, testClientID, v.user))
		if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusNotFound {
			t.Errorf("the record of %s: %d %s", v.user, a.StatusCode, a.body)
		}
	}
	t.Logf("%d kills, %d pages, %d logins, %d refreshes, %d times asked to wait",
		kills, worked.Load(), logins, w.zoom.Count(zoomtest.CallRefresh), refused)
	if worked.Load() < int64(kills) || w.zoom.Count(zoomtest.CallRefresh) < kills/10 {
		t.Error("too little was done in between: nothing was tested")
	}
}
