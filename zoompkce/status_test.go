package zoompkce_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// An operator is told what is known of a user, and what has become of the tokens.
func TestUserStatus(t *testing.T) {
	bubble(t, func(w *world) {
		w.zoom.SetScopes(w.app.ClientID, "user:read:user")
		p := w.process(withPrograms)
		b := p.signIn("ada")
		time.Sleep(time.Minute)
		p.program(b)
		if _, err := p.zak(b, minute); zoomapi.KindOf(err) != zoomapi.KindMissingScope {
			w.Fatal(err)
		}
		status := func() zoompkce.UserStatus {
			got, err := p.UserStatus(ctx, "ada")
			w.must(err)
			return got
		}
		got, err := json.Marshal(status())
		if w.must(err); string(got) != `{"user_id":"ada","sessions":["2000-01-01T00:00:00Z"],`+
			`"signed_in_at":"2000-01-01T00:00:00Z","refreshed_times":0,"expires_at":"2000-01-01T00:59:59Z",`+
			`"scopes":["user:read:user"],"missing_scopes":["user:read:zak"],`+
			`"programs":[{"client":"`+appClient.Hash.String()+`","name":"The App","redirect":"com.example.app:",`+
			`"allowed_at":"2000-01-01T00:01:00Z","refreshed_at":"2000-01-01T00:01:00Z"}]}` {
			w.Errorf("%s", got)
		}

		toExpiry()
		p.breakSave(b, func() { w.store.fail("swap", -1) })
		if got := status(); !got.Unsaved || got.RefreshedTimes != 1 || got.Dead {
			w.Errorf("with tokens that are not saved: %+v", got)
		}
		w.store.heal()
		time.Sleep(time.Minute)
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		toExpiry()
		p.signedOut(b)
		if got := status(); got.Unsaved || !got.Dead {
			w.Errorf("when Zoom has ended the grant: %+v", got)
		}
		w.must(p.SignOut(ctx, b.header()))
		synctest.Wait()
	})
}

func TestUserStatusOfNobody(t *testing.T) {
	bubble(t, func(w *world) {
		if _, err := w.process().UserStatus(ctx, "ada"); !errors.Is(err, zoompkce.ErrNotFound) {
			w.Errorf("%v", err)
		}
	})
}
