package zoompkce

import (
	"context"
	"time"
)

// UserStatus is what an operator may know of a user: no token, no name.
type UserStatus struct {
	// UserID is the Zoom user id.
	UserID string `json:"user_id"`
	// Sessions are the times at which the open sessions were signed in.
	Sessions []time.Time `json:"sessions"`
	// SignedInAt is when the grant was given, RefreshedTimes how often it was
	// refreshed since, and ExpiresAt when its access token ends.
	SignedInAt     time.Time `json:"signed_in_at,omitzero"`
	RefreshedTimes int       `json:"refreshed_times"`
	ExpiresAt      time.Time `json:"expires_at,omitzero"`
	// Scopes are those of the grant, MissingScopes those Zoom found missing.
	Scopes        []string `json:"scopes,omitempty"`
	MissingScopes []string `json:"missing_scopes,omitempty"`
	// Dead tells that Zoom has ended the grant, Unsaved that its newest tokens
	// could not be stored yet.
	Dead    bool `json:"dead,omitempty"`
	Unsaved bool `json:"unsaved,omitempty"`
	// EndedAt is when all sessions of the user were ended.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Programs are what the user has allowed.
	Programs []ProgramStatus `json:"programs,omitempty"`
}

// ProgramStatus is what an operator may know of a program.
type ProgramStatus struct {
	// Client is the hash of its client's id, Name what that calls itself, Redirect
	// where its codes go.
	Client   string `json:"client"`
	Name     string `json:"name"`
	Redirect string `json:"redirect"`
	// AllowedAt is when it began, RefreshedAt when it last got new tokens.
	AllowedAt   time.Time `json:"allowed_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
}

// UserStatus reads what is known of a user. It returns [ErrNotFound] if nothing
// is.
func (m *Manager) UserStatus(ctx context.Context, userID string) (UserStatus, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return UserStatus{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	u := m.memory.users.get(keyOf(userID))
	snap, err := m.load(ctx, k, u)
	if err != nil {
		return UserStatus{}, m.storeError("reading a user record", err)
	}
	if snap.record == nil {
		return UserStatus{}, ErrNotFound
	}
	status := UserStatus{UserID: userID, Sessions: []time.Time{}, EndedAt: snap.record.Ended}
	for _, s := range snap.record.Sessions {
		status.Sessions = append(status.Sessions, time.UnixMilli(s.Created).UTC())
	}
	for _, p := range m.programsIn(snap.record, time.Now()) {
		status.Programs = append(status.Programs, ProgramStatus{
			p.Client.Hash.String(), p.Client.Name, p.Client.Redirect, p.Allowed.UTC(), p.Refreshed.UTC(),
		})
	}
	if g := u.grant(snap); g != nil {
		status.SignedInAt, status.RefreshedTimes, status.ExpiresAt = g.SignedInAt, g.Serial, g.Expiry
		status.Scopes, status.Dead, status.Unsaved = g.Scopes, g.dead(), g != snap.record.Grant
		for _, scope := range g.Lacks {
			status.MissingScopes = append(status.MissingScopes, scope)
		}
	}
	return status, nil
}

// EventKind is what happened.
type EventKind string

// The kinds of events. The outcomes are words for logs and metric labels.
const (
	// EventSignedIn: a session was opened. The outcome is ids_only if Zoom told
	// neither name nor e-mail address, as to an app without the scope for that.
	EventSignedIn EventKind = "signed_in"
	// EventSignedOut: a visitor ended a session.
	EventSignedOut EventKind = "signed_out"
	// EventUserEnded: all sessions of a user were ended from outside.
	EventUserEnded EventKind = "deauthorized"
	// EventRefresh: tokens were to be refreshed. Outcomes: ok, unsaved (until one
	// with ok or superseded follows), superseded, invalid_grant, failed, and store
	// where the refresh token was not spent because the store cannot be written.
	EventRefresh EventKind = "refresh"
	// EventZAK: a ZAK fetch ended. Outcomes: ok, rate_limited, missing_scope, failed.
	EventZAK EventKind = "zak"
	// EventOBF: an OBF fetch ended. Outcomes as for EventZAK.
	EventOBF EventKind = "obf"
	// EventStoreError: the session store is in trouble. The outcome is the
	// operation.
	EventStoreError EventKind = "store_error"
	// EventCookieRejected: a session cookie was worth nothing. Outcomes:
	// unopenable, expired, ended, ambiguous.
	EventCookieRejected EventKind = "cookie_rejected"
	// EventProgramAllowed: a program began.
	EventProgramAllowed EventKind = "program_allowed"
	// EventProgramEnded: a program was ended. Outcomes: ended (by its user), revoked
	// (by itself), code_replayed, refresh_replayed.
	EventProgramEnded EventKind = "program_ended"
	// EventProgramRefresh: a program got new tokens. Outcomes: ok, repeated.
	EventProgramRefresh EventKind = "program_refresh"
	// EventTokenRejected: a program's token was worth nothing. Outcomes: unopenable,
	// expired, foreign (of another origin), no_access_token, ended, client (it does not
	// count any more), off.
	EventTokenRejected EventKind = "token_rejected"
	// EventRevokeFailed: Zoom could not be told that a token is not needed any more.
	EventRevokeFailed EventKind = "revoke_failed"
	// EventPanic: background work has panicked. The error has the stack.
	EventPanic EventKind = "panic"
)

// Event is something an operator may want to count, log or act on. It holds
// no secrets.
type Event struct {
	Kind    EventKind
	UserID  string // "" where no user is known
	Outcome string
	Err     error // nil for success

	Client *ProgramClient // of the program it is about
}
