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
	u := m.state.users.get(keyOf(userID))
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
