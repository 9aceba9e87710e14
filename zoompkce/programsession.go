package zoompkce

import (
	"context"
	"errors"
	"time"
)

// DeadTokenError means that a token of ours is worth nothing.
type DeadTokenError struct {
	// Reason is the outcome of [EventTokenRejected].
	Reason string
}

func (e *DeadTokenError) Error() string { return "program's token " + e.Reason }

var (
	errTokenUnopened = &DeadTokenError{"unopenable"}
	errTokenExpired  = &DeadTokenError{"expired"}
	errTokenForeign  = &DeadTokenError{"foreign"}
	errTokenKind     = &DeadTokenError{"no_access_token"}
	errProgramEnded  = &DeadTokenError{"ended"}
	errClientGone    = &DeadTokenError{"client"}
	errProgramsOff   = &DeadTokenError{"off"}
)

// ProgramSession finds out who sent a request, from a bearer token that begins
// with [TokenPrefix] and came at an origin. Its errors are a [*DeadTokenError], or
// a [*StoreError] where that cannot be found out now.
func (m *Manager) ProgramSession(ctx context.Context, origin, token string) (*Session, error) {
	s, err := m.programSession(ctx, origin, token)
	if dead, ok := errors.AsType[*DeadTokenError](err); ok {
		m.observe(Event{Kind: EventTokenRejected, Outcome: dead.Reason})
	}
	return s, err
}

func (m *Manager) programSession(ctx context.Context, origin, token string) (*Session, error) {
	if m.lives == nil {
		return nil, errProgramsOff
	}
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	return underOthers(ctx, m, k, errTokenUnopened, maxPatientBearers, func(k *keys) (*Session, error) {
		return m.sessionOfToken(ctx, k, origin, token)
	})
}

func (m *Manager) sessionOfToken(ctx context.Context, k *keys, origin, token string) (*Session, error) {
	now := time.Now()
	t := m.openAccessToken(k, origin, token, now)
	switch {
	case t == nil && m.openProgramToken(k, kindRefresh, origin, token) != nil:
		return nil, errTokenKind
	case t == nil:
		return nil, errTokenUnopened
	case t.at == "":
		return nil, errTokenForeign
	case !t.alive(now, m.life.programs):
		return nil, errTokenExpired
	}
	s, p, err := m.sessionOfProgram(ctx, k, t, now)
	if err == nil {
		m.noteUse(t, p, now)
	}
	return s, err
}

// sessionOfProgram checks that a token's program is still among the user's.
func (m *Manager) sessionOfProgram(ctx context.Context, k *keys, t *openedToken, now time.Time) (*Session, *program, error) {
	if t.user.hasEnded(t.id) {
		return nil, nil, errProgramEnded
	}
	snap, err := m.current(ctx, k, t.user, now)
	// Another process may have given the token, or revived the grant, after the record was read
	// here, and clients take a refusal for final. The first reading may be one that had begun before, too.
	for try := 0; err == nil && try < 2 && t.mayBeNewerThan(snap, now); try++ {
		snap, err = m.rereadPaced(ctx, k, t.user)
	}
	if err != nil {
		return nil, nil, err
	}
	p := snap.program(t.id)
	g := t.user.grant(snap)
	switch {
	case p == nil || !g.lives():
		return nil, nil, errProgramEnded
	case !now.Before(m.life.programs.end(p)):
		return nil, nil, errTokenExpired
	case !m.lives(p.Client):
		return nil, nil, errClientGone
	}
	return &Session{user: t.user, snap: snap, cookie: &noCookie, created: p.Created * 1000, program: t, at: now.UnixMilli()}, p, nil
}

// mayBeNewerThan reports whether the store may know better than what was read of it: the token was
// given, or a sign-in has revived the grant, after that.
func (t *openedToken) mayBeNewerThan(snap *snapshot, now time.Time) bool {
	p, g := snap.program(t.id), t.user.grant(snap)
	switch {
	case snap.readAt.After(now):
		return false
	case p != nil && !g.lives():
		return now.Sub(snap.readAt) > noMemory
	}
	// A refresh reads the record anyway, and decides on its generation then.
	return (p == nil || t.generation > p.Generation && t.kind == kindAccess) &&
		snap.readAt.Before(t.issuedAt().Add(clockSkew+time.Second)) // it is told in whole seconds
}

func (s *snapshot) program(id sessionID) *program {
	if s.record == nil {
		return nil
	}
	return s.record.program(id)
}

// rereadPause is the least time between two readings of a user's record for the
// sake of tokens that are not known.
const rereadPause = time.Second

// rereadPaced reads the record anew, once a second for all who want that: tokens
// of programs that have ended would cause a reading for every request. Who comes
// too early waits, since clients take a refusal of a token they have just got
// for final.
func (m *Manager) rereadPaced(ctx context.Context, k *keys, u *user) (*snapshot, error) {
	key := "paced" + string(k.set[:]) + string(u.key[:])
	snap, err := share(ctx, m, key, rereadPause+storePatience, func(ctx context.Context) (*snapshot, error) {
		if wait := rereadPause - time.Since(time.Unix(0, u.paced.Load())); wait > 0 {
			time.Sleep(min(wait, rereadPause))
		}
		u.paced.Store(time.Now().UnixNano())
		return m.reread(ctx, k, u, true)
	})
	if err != nil && !errors.As(err, new(*StoreError)) {
		return nil, &StoreError{opRead, err}
	}
	return snap, err
}

// noteUse keeps in the record that a token of the newest generation came, and the
// day the program was used on. A newer generation than the record's means that
// the store has lost what was written: tokens prove what was.
func (m *Manager) noteUse(t *openedToken, p *program, now time.Time) {
	if t.generation <= p.Generation && (p.Used || t.generation < p.Generation) && p.Seen >= dayOf(now) ||
		remembered(&t.user.noteFailure, now) != nil {
		return
	}
	m.runOnce(&t.noting, func(ctx context.Context) {
		_, err := m.change(ctx, storeTimeout, t.user, "noting a program's use", func(r *record) error {
			p := r.program(t.id)
			if p == nil {
				return errUnchanged
			}
			before := *p
			p.meet(t.programToken)
			p.Used = p.Used || t.generation == p.Generation
			p.Seen = max(p.Seen, dayOf(now))
			if *p == before {
				return errUnchanged
			}
			return nil
		})
		if err != nil && !errors.Is(err, errUnchanged) {
			remember(&t.user.noteFailure, err, failedPause)
		}
	})
}

// meet brings the program to the generation of an authentic token. Whether that one is
// used is for the caller to say.
func (p *program) meet(t programToken) {
	if t.generation > p.Generation {
		p.Generation, p.Refreshed = t.generation, max(p.Refreshed, t.issued)
	}
}

// Program is the program that sent the request, if it was one.
func (s *Session) Program() (p Program, ok bool) {
	if s.program == nil {
		return Program{}, false
	}
	return s.snap.program(s.program.id).public(), true
}

// ForWholeSite reports whether a program's token is for the site as a whole: the
// resource it asked for has no path.
func (s *Session) ForWholeSite() bool { return s.program != nil && !s.program.hasPath }

func (p *program) public() Program {
	id, _ := p.ID.MarshalText()
	return Program{
		ID: string(id), Client: p.Client,
		Allowed: time.Unix(p.Created, 0), Refreshed: time.Unix(p.Refreshed, 0), Used: time.Unix(p.Seen*24*60*60, 0),
	}
}

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
	life := m.recordLife().programs
	for i := range r.Programs {
		if p := &r.Programs[i]; now.Before(life.end(p)) {
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
	t, err := underOthers(ctx, m, k, ErrUnknownToken, maxPatient, func(k *keys) (*openedToken, error) {
		for _, kind := range []tokenKind{kindRefresh, kindAccess} {
			if t := m.openProgramToken(k, kind, issuer, token); t != nil && (t.at != "" || t.issuer == hash8(issuer)) {
				return t, nil
			}
		}
		return nil, ErrUnknownToken
	})
	if err != nil {
		return err
	}
	return m.endProgram(ctx, t.user, t.id, "revoked", &client)
}

// endProgram ends a program, of one client alone if that is given. With the last
// one that needs it the grant goes too.
func (m *Manager) endProgram(ctx context.Context, u *user, id sessionID, outcome string, of *ClientHash) error {
	ctx = context.WithoutCancel(ctx)
	var client ProgramClient
	var userID string
	var last *grant
	var at time.Time
	var codes []sessionID
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
		last, at, codes = r.leave(time.Now(), m.recordLife())
		return nil
	})
	if errors.Is(err, errUnchanged) {
		if !u.hasEnded(id) { // a store that went back may have it as a code only
			m.memory.users.end(u, time.Time{}, id)
		}
		return nil
	}
	if err != nil {
		return err
	}
	m.memory.users.end(u, at, append(codes, id)...)
	m.observe(Event{Kind: EventProgramEnded, UserID: userID, Outcome: outcome, Client: &client})
	if last = newer(u.unsaved.Load(), last); last != nil {
		m.run(func(ctx context.Context) { m.revoke(ctx, last) })
	}
	return nil
}

// leave makes the record a tombstone if nobody is left in it and the grant is not
// kept, and returns the grant that was in it, when that was, and the codes that have
// ended with it.
func (r *record) leave(now time.Time, life sessionLife) (last *grant, at time.Time, codes []sessionID) {
	r.prune(now, life)
	if r.unused() && !r.keepsGrant(now, life) {
		last, at, codes = r.Grant, now, r.sessionIDs()
		r.end(now)
	}
	return last, at, codes
}
