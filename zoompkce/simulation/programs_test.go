package simulation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	origin     = "https://app.example"
	programURI = "com.example.app:/signed-in"
	verifier   = "a-verifier-of-43-characters_and.more~than-that"
	codeGood   = 50 * time.Second // a code is for a minute, in whole seconds
)

var programClient = zoompkce.ProgramClient{Kind: zoompkce.ConfiguredClient, Hash: zoompkce.HashClientID("app"), Name: "App"}

var programsLive = &zoompkce.ProgramConfig{Lives: func(zoompkce.ProgramClient) bool { return true }}

// program is one that a user has allowed, with the tokens it was told. That it may
// come in ends as a session does.
type program struct {
	*session
	code            string
	access, refresh string
	spent           []string // refresh tokens that it needs no more
	turning         bool     // it waits for new tokens
}

func (w *world) takeOfProgram(i *incarnation, s step) {
	var list []*program
	for _, p := range w.programs {
		if (p.access == "") == (s.does == redeem) {
			list = append(list, p)
		}
	}
	b := w.signedInBrowser(s)
	switch {
	case s.does == allow && b != nil:
		w.allow(i, b)
	case s.does == allow || len(list) == 0:
	case s.does == redeem:
		w.redeem(i, list[s.pick(1, len(list))])
	case s.does == bearer:
		w.bear(i, list[s.pick(1, len(list))])
	case s.does == turn:
		w.turn(i, list[s.pick(1, len(list))], s.who[2]%4 == 0)
	case s.does == revoke:
		w.revokeProgram(i, list[s.pick(1, len(list))])
	case s.does == steal:
		w.steal(i, list[s.pick(1, len(list))], s.who[2]%3 == 0)
	}
}

// allow has the user of a browser press the button on the consent page.
func (w *world) allow(i *incarnation, b *browser) {
	m, header, by := i.serve(), b.header(), b.session
	u := by.user
	o := &op{kind: "a consent of " + b.name, bound: 60 * time.Second}
	var code string
	var err error
	o.settle = func() {
		w.note("%s lets %s allow a program: %v", i, b.name, or(err, token{}))
		if err != nil {
			return
		}
		w.programNumber++
		p := &program{code: code, session: &session{user: u, born: o.began, opened: time.Now(), coded: o.began}}
		p.browser = &browser{name: fmt.Sprintf("program %d of %s", w.programNumber, u.name), user: u}
		if !u.doomed.Before(p.born) || u.ending > 0 || w.store.mayBeLost(o.began) {
			p.maybeEnd(u.why)
		} else if by.doomed != "" {
			p.maybeEnd(by.doomed)
		} else if !u.ended.Before(p.born) {
			p.maybeEnd(codesAlone)
		}
		u.sessions = append(u.sessions, p.session)
		w.programs = append(w.programs, p)
	}
	i.do(o, func(o *op) {
		defer m.Done()
		ctx := o.context()
		var in *zoompkce.Session
		if in, err = m.Session(ctx, header); err != nil {
			return
		}
		w.yield(ctx, i)
		var shown string
		if shown, err = m.SealConsent(ctx, in, origin, "request"); err != nil {
			return
		}
		var c *zoompkce.Consent
		if c, err = m.OpenConsent(ctx, in, origin, shown); err == nil {
			code, err = m.AllowProgram(ctx, in, c, zoompkce.Authorization{
				Client: programClient, Issuer: origin, RedirectURI: programURI, Challenge: sha256.Sum256([]byte(verifier)),
			})
		}
	})
}

// redeem brings a program's code. Without an answer the program gives up: another
// process would take the second try for somebody else's.
func (w *world) redeem(i *incarnation, p *program) {
	w.forgetProgram(p)
	w.present(i, p, "a code of ", func(o *op, m *served) (*zoompkce.ProgramTokens, error) {
		return m.RedeemCode(o.context(), zoompkce.CodeRedemption{
			Code: p.code, Client: programClient.Hash, Issuer: origin, RedirectURI: programURI, Verifier: verifier,
		})
	}, func(o *op, got *zoompkce.ProgramTokens, err error) {
		switch {
		case err == nil:
			p.hear(o, got)
			p.coded = time.Time{}
			w.programs = append(w.programs, p)
		case o.began.Before(p.born.Add(codeGood)) && !w.plan.skewed: // by another clock a code may be over at once
			w.programRefused(o, p, err)
		}
	})
}

// turn has a program get new tokens. Where the answer is lost it comes again with the
// token it has.
func (w *world) turn(i *incarnation, p *program, lost bool) {
	if p.turning {
		return
	}
	p.turning = true
	refresh := w.audit.shiftToken(p.refresh, -i.process.ahead)
	w.present(i, p, "a refresh of ", func(o *op, m *served) (*zoompkce.ProgramTokens, error) {
		return refreshProgram(o, m, refresh)
	}, func(o *op, got *zoompkce.ProgramTokens, err error) {
		p.turning = false
		switch {
		case err != nil:
			w.programRefused(o, p, err)
		case lost && !w.calm:
			w.note("%s does not hear of it", p.browser.name)
		default:
			p.spent = append(p.spent, p.refresh)
			p.hear(o, got)
		}
	})
}

// hear notes the tokens that a program was told.
func (p *program) hear(o *op, got *zoompkce.ProgramTokens) {
	ahead := o.by.process.ahead
	p.access, p.refresh = p.user.audit.shiftToken(got.AccessToken, ahead), p.user.audit.shiftToken(got.RefreshToken, ahead)
}

func refreshProgram(o *op, m *served, refresh string) (*zoompkce.ProgramTokens, error) {
	in, err := m.RefreshSession(o.context(), origin, refresh, programClient.Hash)
	if err != nil {
		return nil, err
	}
	return m.RefreshProgram(o.context(), in, zoompkce.Resource{})
}

// steal has somebody present what a program has used before: a refresh token, or
// its code.
func (w *world) steal(i *incarnation, p *program, code bool) {
	if len(p.spent) < 2 && !code {
		return
	}
	p.maybeEnd("somebody else presented what it had used")
	var spent string
	if !code {
		spent = w.audit.shiftToken(p.spent[len(p.spent)-2], -i.process.ahead)
	}
	w.present(i, p, "a thief of ", func(o *op, m *served) (*zoompkce.ProgramTokens, error) {
		if !code {
			return refreshProgram(o, m, spent)
		}
		return m.RedeemCode(o.context(), zoompkce.CodeRedemption{
			Code: p.code, Client: programClient.Hash, Issuer: origin, RedirectURI: programURI, Verifier: verifier,
		})
	}, func(o *op, _ *zoompkce.ProgramTokens, err error) {
		if err == nil && p.user.wentBack.Before(p.born) && p.ended.IsZero() {
			w.breaks("1: what counts once is taken once", "%s gives tokens to a thief of %s", o.by, p.browser.name)
		}
		if replayed, ok := errors.AsType[*zoompkce.InvalidGrantError](err); ok && replayed.Reason == "replayed" {
			p.end(o.by)
		}
	})
}

// present is what all presenting of codes and refresh tokens has in common.
func (w *world) present(
	i *incarnation, p *program, what string,
	work func(*op, *served) (*zoompkce.ProgramTokens, error), settle func(*op, *zoompkce.ProgramTokens, error),
) {
	m := i.serve()
	o := &op{kind: what + p.browser.name, bound: 60 * time.Second, session: p.session}
	var got *zoompkce.ProgramTokens
	var err error
	o.settle = func() {
		w.note("%s answers %s: %v", i, o.kind, or(err, token{}))
		settle(o, got, err)
	}
	o.never = func() { p.turning = false }
	i.do(o, func(o *op) {
		defer m.Done()
		got, err = work(o, m)
	})
}

// programRefused is invariant 4 for codes and refresh tokens.
func (w *world) programRefused(o *op, p *program, err error) {
	if invalid, ok := errors.AsType[*zoompkce.InvalidGrantError](err); ok {
		// It is the last word, but for a dead grant a program is told so at once (DESIGN 9).
		w.endsForAReason(o, &zoompkce.NoSessionError{Reason: invalid.Reason, Clear: invalid.Reason != "ended"})
	}
	w.livesOn(o, err)
}

// bear has a program ask for something with its access token.
func (w *world) bear(i *incarnation, p *program) {
	m, known, access := i.serve(), i.known[p.user].newest, w.audit.shiftToken(p.access, -i.process.ahead)
	if known.grant != nil && !known.grant.signedIn {
		known = token{}
	}
	var err error
	var zoomToken string
	o := &op{kind: "a request of " + p.browser.name, bound: 45 * time.Second, session: p.session}
	o.settle = func() {
		w.note("%s answers %s: %v", i, p.browser.name, or(err, w.zoom.tokens[zoomToken]))
		if dead, ok := errors.AsType[*zoompkce.DeadTokenError](err); ok {
			w.endsForAReason(o, &zoompkce.NoSessionError{Reason: dead.Reason}) // its refresh token decides
		} else if none, ok := errors.AsType[*zoompkce.NoSessionError](err); ok {
			w.endsForAReason(o, none)
		} else if o.accepted {
			w.overIsOver(o)
		}
		w.livesOn(o, err)
		if err == nil {
			w.rightTokens(o, w.zoom.tokens[zoomToken], known)
		}
	}
	i.do(o, func(o *op) {
		defer m.Done()
		ctx := o.context()
		var in *zoompkce.Session
		if in, err = m.ProgramSession(ctx, origin, access); err != nil {
			return
		}
		o.accepted = true
		w.yield(ctx, i)
		zoomToken, err = m.AccessToken(ctx, in)
	})
}

// revokeProgram has a program end itself.
func (w *world) revokeProgram(i *incarnation, p *program) {
	m := i.serve()
	p.maybeEnd("it revokes its token")
	o := &op{kind: "a revocation by " + p.browser.name, bound: 30 * time.Second}
	var err error
	o.settle = func() {
		w.note("%s revokes %s: %v", i, p.browser.name, or(err, token{}))
		if err == nil {
			p.end(i)
		}
	}
	i.do(o, func(o *op) {
		defer m.Done()
		err = m.RevokeProgram(o.context(), origin, p.refresh, programClient.Hash)
	})
}

func (w *world) forgetProgram(p *program) {
	for n, other := range w.programs {
		if other == p {
			w.programs = append(w.programs[:n:n], w.programs[n+1:]...)
			return
		}
	}
}
