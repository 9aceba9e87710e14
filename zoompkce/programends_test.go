package zoompkce_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestEndsOfPrograms(t *testing.T) {
	endUser := func(p *process, b *browser, _ *zoompkce.ProgramTokens) error {
		_, err := p.EndUser(ctx, "ada", time.Time{})
		return err
	}
	tests := map[string]struct {
		end    func(*process, *browser, *zoompkce.ProgramTokens) error
		ended  bool
		others bool // the browser is signed in, and another program, too
	}{
		"sign-out of the browser": {func(p *process, b *browser, _ *zoompkce.ProgramTokens) error {
			former := b.header()
			b.cookies = p.signIn("ada").cookies
			return p.SignOut(ctx, former)
		}, false, true},
		"by the user": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			program, _ := p.in(tokens).Program()
			return p.EndProgram(ctx, p.session(b), program.ID)
		}, true, true},
		"by another user": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			program, _ := p.in(tokens).Program()
			return p.EndProgram(ctx, p.session(p.signIn("bob")), program.ID)
		}, false, true},
		"revoked by the access token": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			return p.RevokeProgram(ctx, issuer, tokens.AccessToken, appClient.Hash)
		}, true, true},
		"revoked by the refresh token": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			return p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash)
		}, true, true},
		"revoked by another client": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			p.invalid(p.RevokeProgram(ctx, issuer, tokens.RefreshToken, zoompkce.HashClientID("other")), "of another client")
			return nil
		}, false, true},
		"revoked at another issuer": {func(p *process, b *browser, tokens *zoompkce.ProgramTokens) error {
			if err := p.RevokeProgram(ctx, "https://other.example", tokens.RefreshToken, appClient.Hash); !errors.Is(err, zoompkce.ErrUnknownToken) {
				p.Errorf("%v", err)
			}
			return nil
		}, false, true},
		"deauthorized": {func(p *process, b *browser, _ *zoompkce.ProgramTokens) error {
			_, err := p.EndUser(ctx, "ada", time.Now().Add(time.Second))
			return err
		}, true, false},
		"by an operator": {endUser, true, false},
		"a dead grant": {func(p *process, b *browser, _ *zoompkce.ProgramTokens) error {
			p.zoom.RevokeUser(p.app.ClientID, "ada")
			time.Sleep(time.Hour)
			_, err := p.AccessToken(ctx, p.session(b))
			if err == nil {
				return errors.New("the grant lives")
			}
			return nil
		}, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.TokenLifetime = 24 * time.Hour }))
				b := p.signIn("ada")
				tokens, other := p.program(b), p.program(b)
				p.in(other)
				if err := test.end(p, b, tokens); err != nil {
					w.Fatal(err)
				}
				if test.ended {
					if reason := p.out(tokens); reason != "ended" {
						w.Errorf("dead: %s", reason)
					}
					_, err := p.refreshProgram(tokens)
					p.invalid(err, "ended")
				} else {
					p.in(p.refreshed(tokens))
				}
				if test.others {
					p.in(p.refreshed(other))
					p.works(b)
				} else if reason := p.out(other); reason != "ended" {
					w.Errorf("the other one is dead: %s", reason)
				}
			})
		})
	}
}

// The grant goes with the last who needs it.
func TestLastOneOut(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		tokens := p.program(b)
		p.in(tokens)
		if err := p.SignOut(ctx, b.header()); err != nil {
			w.Fatal(err)
		}
		w.calls(zoomtest.CallRevoke, 0)
		s := p.in(tokens)
		if _, err := p.AccessToken(ctx, s); err != nil {
			w.Errorf("after the browser has left: %v", err)
		}
		if err := p.RevokeProgram(ctx, issuer, tokens.RefreshToken, appClient.Hash); err != nil {
			w.Fatal(err)
		}
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, 1)
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens are live at Zoom", n)
		}
		if outcomes := p.outcomes(zoompkce.EventProgramEnded); len(outcomes) != 1 || outcomes[0] != "revoked" {
			w.Errorf("told of %v", outcomes)
		}
	})
}

// A directive without programs, of an app that another directive lets programs in for.
func TestProgramsOfAnotherManagerEnd(t *testing.T) {
	sessionsLast := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 500 * time.Hour }
	programsLast := programs(func(c *zoompkce.ProgramConfig) { c.IdleTimeout = 24 * time.Hour })
	t.Run("no back end gets the token of a program that was idle", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(sessionsLast, programsLast)
			b := p.signIn("ada")
			p.program(b)
			defer p.reload(sessionsLast).Close()
			w.must(p.SignOut(ctx, b.header()))
			time.Sleep(24*time.Hour - time.Second)
			p.has("ada") // and what is written for it ends nothing
			time.Sleep(time.Second)
			p.hasNot("ada")
			synctest.Wait()
			w.calls(zoomtest.CallRevoke, 1)
		})
	})
	t.Run("the last browser's sign-out revokes", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(sessionsLast, programsLast)
			b := p.signIn("ada")
			p.program(b)
			defer p.reload(sessionsLast).Close()
			time.Sleep(24 * time.Hour)
			w.must(p.SignOut(ctx, b.header()))
			w.calls(zoomtest.CallRevoke, 1)
		})
	})
}

// A code that nobody has come for is no program: the sign-out that leaves nothing else
// takes the grant, and the code, with it. A kept grant waits for the program, too.
func TestSignOutBesideAWaitingCode(t *testing.T) {
	leave := func(p *process) (code string, restore func()) {
		b := p.signIn("ada")
		code = p.allow(b)
		restore = p.snapshotOf(p.store.only(p.T))
		p.must(p.SignOut(ctx, b.header()))
		return code, restore
	}
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		code, restore := leave(p)
		w.calls(zoomtest.CallRevoke, 1)
		_, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
		if !errors.Is(err, zoompkce.ErrNoGrant) {
			w.Errorf("the app context: %v", err)
		}
		_, err = p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "expired")
		restore()
		_, err = p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "expired")
	})
	bubble(t, func(w *world) {
		p := w.process(withPrograms, keep(time.Hour))
		code, _ := leave(p)
		tokens, err := p.RedeemCode(ctx, redemption(code))
		w.must(err)
		p.in(tokens)
		w.calls(zoomtest.CallRevoke, 0)
	})
}

// It is no reason to hand out a token of its user either.
func TestBackendBesideAWaitingCode(t *testing.T) {
	bubble(t, func(w *world) {
		idle := programs(func(c *zoompkce.ProgramConfig) { c.IdleTimeout = time.Hour })
		p := w.process(idle)
		b := p.signIn("ada")
		p.program(b)
		time.Sleep(time.Hour - time.Second)
		p.allow(b)
		w.must(p.SignOut(ctx, b.header()))
		p.has("ada")
		time.Sleep(time.Second)
		p.hasNot("ada")
		synctest.Wait()
		w.calls(zoomtest.CallRevoke, 1)
	})
}
