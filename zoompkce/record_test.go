package zoompkce_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// What opens and is not what belongs there is trouble: nobody is signed out by it.
func TestRecordThatIsNone(t *testing.T) {
	session := func(id string) any { return []any{map[string]any{"id": id, "created": 1, "seen": 1}} }
	for name, is := range map[string]struct {
		field string
		value any
	}{
		"another user's":            {"user_id", "bob"},
		"a text for a number":       {"seq", "one"},
		"a session's id, cut":       {"sessions", session("AAAA")},
		"a session's id and others": {"sessions", session(strings.Repeat("A", 22) + "!")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := p.signIn("ada")
				w.must(zoompkce.SetInRecord(ctx, p.Manager, "ada", is.field, is.value))
				if err := w.process().storeTrouble(b); !errors.As(err, new(*zoompkce.UnopenableError)) {
					w.Error(err)
				}
			})
		})
	}
}

// sessions is how many sessions ada's record has.
func (p *process) sessions() int {
	p.Helper()
	status, err := p.UserStatus(ctx, "ada")
	if err != nil && !errors.Is(err, zoompkce.ErrNotFound) {
		p.Fatal(err)
	}
	return len(status.Sessions)
}

// Sessions that are over do not stay in the record.
func TestSessionsThatAreOver(t *testing.T) {
	t.Run("a dead grant's", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			b, _ := p.signIn("ada"), p.signIn("ada")
			w.zoom.RevokeUser(w.app.ClientID, "ada")
			toExpiry()
			if _, err := p.token(b); err == nil {
				w.Fatal("a token of a dead grant")
			}
			time.Sleep(2 * time.Minute)
			w.must(p.SignOut(ctx, b.header()))
			if n := p.sessions(); n != 0 {
				w.Errorf("%d sessions", n)
			}
		})
	})
	t.Run("unseen ones", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process()
			p.signIn("ada")
			time.Sleep(72 * time.Hour)
			p.signIn("ada")
			if n := p.sessions(); n != 1 {
				w.Errorf("%d sessions", n)
			}
		})
	})
}

// A change that the store does not take has not happened in memory, either.
func TestChangeThatIsNotSaved(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		s := p.session(b)
		w.zoom.Fail(zoomtest.CallZAK, 1, zoomtest.Status(400, `{"code":4711,"message":"does not contain scopes:[user:read:zak]."}`))
		w.store.fail("swap", -1)
		if _, err := p.ZAK(ctx, s, minute); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
			w.Fatal(err)
		}
		w.store.heal()
		if p.NeedsAuthorization(s) {
			w.Error("asks for what is noted nowhere")
		}
		time.Sleep(2 * time.Second)
		p.hasZAK(b, minute)
	})
}

// A version that knows no programs would drop what was allowed, also before the program has come for it.
func TestFormatOfARecordWithPrograms(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		code := p.allow(b)
		if got := w.format(); got != 2 {
			w.Errorf("format %d with a code", got)
		}
		if _, err := p.RedeemCode(ctx, redemption(code)); err != nil {
			w.Fatal(err)
		}
		if got := w.format(); got != 2 {
			w.Errorf("format %d with a program", got)
		}
	})
}
