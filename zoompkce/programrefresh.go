package zoompkce

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"
)

// refreshGrace is how long a refresh token that was used already gets the same
// answer: answers are lost, and several processes share a token.
const refreshGrace = 60 // seconds

// RefreshSession finds out whose refresh token a client has sent to an issuer,
// without spending it: whether that user may still come in is the caller's to
// decide. Errors are an [*InvalidGrantError] or a [*StoreError].
func (m *Manager) RefreshSession(ctx context.Context, issuer, token string, client ClientHash) (*Session, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	t, err := underOthers(ctx, m, k, errGrantUnopened, maxPatient, func(k *keys) (*openedToken, error) {
		if t := m.openProgramToken(k, kindRefresh, issuer, token); t != nil {
			return t, nil
		}
		return nil, errGrantUnopened
	})
	if err != nil {
		return nil, err
	}
	if t.at == "" && t.issuer != hash8(issuer) || m.lives == nil {
		return nil, errGrantUnopened
	}
	s, p, err := m.sessionOfProgram(ctx, k, t, time.Now())
	if errors.As(err, new(*DeadTokenError)) {
		return nil, errGrantEnded
	}
	if err != nil {
		return nil, err
	}
	if p.Client.Hash != client {
		return nil, errGrantClient
	}
	return s, nil
}

// turn is what came of a refresh.
type turn struct {
	generation uint32
	issued     int64 // Unix seconds
}

// RefreshProgram gives a program new tokens for the refresh token of a session
// that RefreshSession returned. The same token gets the same generation again for
// a minute, later only as long as its client does not seem to have got it. Beyond
// that somebody else has the token, too: the program ends (RFC 9700, section
// 4.14.2). Errors are an [*InvalidGrantError], [ErrWrongResource] or a
// [*StoreError].
func (m *Manager) RefreshProgram(ctx context.Context, s *Session, asked Resource) (*ProgramTokens, error) {
	t := s.program
	if asked.Origin != "" && hash8(asked.Origin) != t.origin {
		return nil, ErrWrongResource
	}
	// What will be sealed has to be opened by others, too.
	if _, err := m.storedKeys(ctx); err != nil {
		return nil, err
	}
	key := "program" + string(t.user.key[:]) + string(t.id[:]) + strconv.Itoa(int(t.generation))
	got, err := share(ctx, m, key, storePatience, func(ctx context.Context) (turn, error) {
		return m.turnProgram(ctx, t)
	})
	switch {
	case err == nil:
	case errors.As(err, new(*InvalidGrantError)), errors.As(err, new(*StoreError)):
		return nil, err
	default: // the client went away, or we do, or the store takes too long
		return nil, &StoreError{opTurn, err}
	}
	fresh := t.programToken
	fresh.generation, fresh.issued = got.generation, got.issued
	if now := time.Now(); !fresh.alive(now, m.life.programs) {
		fresh.issued = now.Unix() // the times of the first answer would be of no use
	}
	return m.keys.Load().programTokens(m.life.programs, fresh, asked), nil
}

const opTurn = "refreshing a program"

func (m *Manager) turnProgram(ctx context.Context, t *openedToken) (got turn, err error) {
	began, outcome := time.Now(), "ok"
	snap, err := m.change(ctx, storeTimeout, t.user, opTurn, func(r *record) error {
		now := time.Now()
		r.prune(now, m.life)
		p := r.program(t.id)
		if p == nil || !r.Grant.lives() {
			return errGrantEnded
		}
		before := *p
		if !p.turn(t.programToken, now) {
			if time.Since(began) >= storePatience { // its client was told to come again, and may have gone on elsewhere
				return m.storeError(opTurn, context.DeadlineExceeded)
			}
			return errGrantReplayed
		}
		got = turn{p.Generation, p.Refreshed}
		if *p == before {
			outcome = "repeated"
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errGrantReplayed) {
		return got, cmp.Or(m.endProgram(ctx, t.user, t.id, "refresh_replayed", nil), err)
	}
	if err != nil && !errors.Is(err, errUnchanged) {
		return got, err
	}
	m.observe(Event{Kind: EventProgramRefresh, UserID: snap.record.UserID, Outcome: outcome})
	return got, nil
}

// turn brings the program to the generation that a refresh token gets, the one
// after its own. It reports whether the token gets one.
func (p *program) turn(t programToken, now time.Time) bool {
	p.meet(t)
	if t.generation == p.Generation {
		p.Generation, p.Used, p.Refreshed, p.Seen = p.Generation+1, false, now.Unix(), dayOf(now)
	}
	return t.generation+1 == p.Generation && (!p.Used || now.Unix()-p.Refreshed < refreshGrace)
}
