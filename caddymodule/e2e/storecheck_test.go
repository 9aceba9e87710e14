package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// warned waits for a warning of a start and returns its line.
func (w *world) warned(message string) (line string) {
	w.t.Helper()
	testkit.Eventually(w.t, message, 10*time.Second, func() bool {
		for l := range strings.Lines(w.logged()) {
			if strings.Contains(l, message) && strings.Contains(l, `"level":"warn"`) {
				line = l
			}
		}
		return line != ""
	})
	return line
}

// A store that takes nothing is told before the first visitor finds out.
func TestStartWarnsOfAStoreThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	writeFile(t, filepath.Join(w.storage, "zoom_pkce"), "") // where a directory should be
	began := time.Now()
	w.load(w.site())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the start took %v", took)
	}
	if line := w.warned("the session store cannot be written: nobody can sign in"); !strings.Contains(line, "zoom-pkce doctor") || !strings.Contains(line, testClientID) {
		t.Errorf("got %s", line)
	}
}

// Two warnings for two mistakes, none for a good store, and none is about a probe.
func TestStartSaysNothingOfAGoodStore(t *testing.T) {
	w := newWorld(t)
	w.load(w.site(secrets(oldSecret)))
	w.browser().signIn("/", "user-ada")
	w.load(w.site(secrets(newSecret, oldSecret)))
	testkit.Eventually(t, "the probe", 10*time.Second, func() bool {
		written, _ := filepath.Glob(filepath.Join(w.storage, "zoom_pkce", "*", "*", "*"))
		return len(written) >= 3 // ada, and one for each start
	})
	time.Sleep(100 * time.Millisecond) // for what would be said next
	if log := w.logged(); strings.Contains(log, "session store") {
		t.Errorf("got %s", log)
	}
}

// Whoever moves to a secret of their own keeps everybody signed in, and hears that
// the former one still counts.
func TestMovingFromTheGeneratedSecret(t *testing.T) {
	w := newWorld(t)
	w.load(w.site())
	ada, bob := w.browser(), w.browser()
	ada.signIn("/", "user-ada")
	bob.signIn("/", "user-bob")
	w.load(w.site(secrets(newSecret)))
	if a := ada.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusOK {
		t.Errorf("at a reload: %d\n%s", a.StatusCode, a.body)
	}
	key := zoompkce.SecretKey(zoomapi.AppID(w.zoom.URL, testClientID))
	if line := w.warned("still holds the generated cookie secret"); !strings.Contains(line, key) {
		t.Errorf("got %s", line)
	}

	// Without it only what was sealed anew is left.
	if err := os.Remove(filepath.Join(w.storage, filepath.FromSlash(key))); err != nil {
		t.Fatal(err)
	}
	again := w.browser()
	again.signIn("/", "user-ada")
	w.load(w.site(secrets(newSecret)))
	w.warned("the cookie secret does not open 1 of all 2 records in the session store")
	if a := again.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusOK {
		t.Errorf("sealed anew: %d\n%s", a.StatusCode, a.body)
	}
	if a := bob.fetch(http.MethodGet, "/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("sealed with the former: %d\n%s", a.StatusCode, a.body)
	}
}
