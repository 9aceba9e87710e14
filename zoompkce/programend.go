package zoompkce

import (
	"context"
	"errors"
	"time"
)

// Programs lists the programs of the session's user.
func (m *Manager) Programs(ctx context.Context, s *Session) ([]Program, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	snap, err := m.current(ctx, k, s.user, now)
	if err != nil || snap.record == nil {
		return nil, err
	}
	return m.programsIn(snap.record, now), nil
}

func (m *Manager) programsIn(r *record, now time.Time) (list []Program) {
	for i := range r.Programs {
		if p := &r.Programs[i]; now.Before(m.life.programs.end(p)) {
			list = append(list, p.public())
		}
	}
	return list
}

// EndProgram ends a program of the session's user. One that is not there has
// ended already.
func (m *Manager) EndProgram(ctx context.Context, s *Session, id string) error {
	var program sessionID
	if program.UnmarshalText([]byte(id)) != nil {
		return nil
	}
	return m.endProgram(ctx, s.user, program, "ended", nil)
}

// RevokeProgram ends the program that an access or refresh token belongs to, for
// its client (RFC 7009). Errors are [ErrUnknownToken], an [*InvalidGrantError] if
// the token is another client's, or a [*StoreError].
func (m *Manager) RevokeProgram(ctx context.Context, issuer, token string, client ClientHash) error {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []tokenKind{kindRefresh, kindAccess} {
		if t := m.openProgramToken(k, kind, issuer, token); t != nil && (t.at != "" || t.issuer == hash8(issuer)) {
			return m.endProgram(ctx, t.user, t.id, "revoked", &client)
		}
	}
	return ErrUnknownToken
}

// endProgram ends a program, of one client alone if that is given. With the last
// one that needs it the grant goes too.
func (m *Manager) endProgram(ctx context.Context, u *user, id sessionID, outcome string, of *ClientHash) error {
	ctx = context.WithoutCancel(ctx)
	var client ProgramClient
	var userID string
	var last *grant
	var at time.Time
	_, err := m.change(ctx, storeTimeout, u, "ending a program", func(r *record) error {
		p := r.program(id)
		if p == nil {
			return errUnchanged
		}
		if of != nil && p.Client.Hash != *of {
			return errGrantClient
		}
		client, userID = p.Client, r.UserID
		r.endProgram(id)
		last, at = r.leave(time.Now(), m.recordLife())
		return nil
	})
	if errors.Is(err, errUnchanged) {
		if !u.hasEnded(id) { // a store that went back may have it as a code only
			m.state.users.end(u, time.Time{}, id)
		}
		return nil
	}
	if err != nil {
		return err
	}
	m.state.users.end(u, at, id)
	m.observe(Event{Kind: EventProgramEnded, UserID: userID, Outcome: outcome, Client: &client})
	if last = newer(u.unsaved.Load(), last); last != nil {
		m.run(func(ctx context.Context) { m.revoke(ctx, last) })
	}
	return nil
}

// leave makes the record a tombstone if nobody is left in it and the grant is not
// kept, and returns the grant that was in it and when that was.
func (r *record) leave(now time.Time, life sessionLife) (last *grant, at time.Time) {
	r.prune(now, life)
	if r.unused() && !r.keepsGrant(now, life) {
		last, at = r.Grant, now
		r.end(now)
	}
	return last, at
}
