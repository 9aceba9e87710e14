package zoompkce

import (
	"cmp"
	"context"
	"encoding/hex"
	"time"
)

// ProgramConfig lets programs in.
type ProgramConfig struct {
	// TokenLifetime is how long an access token is good. Default: 1h.
	TokenLifetime time.Duration
	// IdleTimeout ends a program that got no new tokens for so long. Default: 720h.
	IdleTimeout time.Duration
	// MaxLifetime ends a program however much it is used. Default: 8760h.
	MaxLifetime time.Duration
	// MaxPrograms is how many programs a user may have; the longest unused one
	// goes first. Default: 20.
	MaxPrograms int
	// Lives reports whether programs of a client count. Required. It is asked for
	// every request.
	Lives func(ProgramClient) bool
}

// ClientKind is how a client came to be known.
type ClientKind uint8

// The kinds of clients. Records hold the numbers.
const (
	// ConfiguredClient is one that the operator wrote down.
	ConfiguredClient ClientKind = 1
	// RegisteredClient registered itself (RFC 7591).
	RegisteredClient ClientKind = 2
	// DocumentClient is described by a document at the https URL that is its id.
	DocumentClient ClientKind = 3
)

// ClientHash stands for a client id: the first bytes of its SHA-256.
type ClientHash [8]byte

// HashClientID returns the hash of a client id.
func HashClientID(id string) ClientHash { return ClientHash(hash8(id)) }

// String is the hash in 16 hex digits.
func (h ClientHash) String() string { return hex.EncodeToString(h[:]) }

// ProgramClient is what a user record keeps of the client of a program.
type ProgramClient struct {
	// Kind is how it came to be known.
	Kind ClientKind
	// Hash stands for its id.
	Hash ClientHash
	// Document stands for the host of the document that describes it.
	Document ClientHash
	// Name is what it calls itself. The record keeps 40 bytes of it.
	Name string
	// Redirect is where its codes go: a host, or a private-use scheme with its
	// colon. The record keeps the last 56 bytes of it.
	Redirect string
}

// Program is one authorization of one client by one user.
type Program struct {
	// ID tells the programs of a user apart.
	ID string
	// Client is what was allowed.
	Client ProgramClient
	// Allowed is when it began, Refreshed when it last got new tokens.
	Allowed, Refreshed time.Time
	// Used is the day it was last used on.
	Used time.Time
}

// ProgramTokens are what a program gets.
type ProgramTokens struct {
	AccessToken, RefreshToken string
	// Expiry is when the access token ends.
	Expiry time.Time
}

// String keeps tokens out of logs.
func (t *ProgramTokens) String() string   { return "[redacted]" }
func (t *ProgramTokens) GoString() string { return "[redacted]" }

// Resource is what tokens are for (RFC 8707).
type Resource struct {
	// Origin is the only one at which they count.
	Origin string
	// HasPath tells that they were not asked for the origin as a whole.
	HasPath bool
}

// programLife bounds the programs of a user.
type programLife struct {
	token, idle, max time.Duration
	count            int
}

// unknownLife is for managers that let no programs in: how long those of other
// processes live is not theirs to say.
const unknownLife = 10 * 365 * 24 * time.Hour

func newProgramLife(c *ProgramConfig) programLife {
	if c == nil {
		return programLife{idle: unknownLife, max: unknownLife}
	}
	return programLife{
		token: cmp.Or(c.TokenLifetime, time.Hour),
		idle:  cmp.Or(c.IdleTimeout, 720*time.Hour),
		max:   cmp.Or(c.MaxLifetime, 8760*time.Hour),
		count: cmp.Or(c.MaxPrograms, 20),
	}
}

// end is when a program ends if it gets no new tokens.
func (l programLife) end(p *program) time.Time {
	idle, last := time.Unix(p.Refreshed, 0).Add(l.idle), time.Unix(p.Created, 0).Add(l.max)
	if last.Before(idle) {
		return last
	}
	return idle
}

// MaxClientID is how long the id of a client that registered itself may be, in
// bytes.
const MaxClientID = 600

// SealClientID returns an id for a client that registers itself at an issuer. All
// that is known of it is in the id, so that nothing has to be stored, and nothing
// is forgotten while the secret lives. It is longer than [MaxClientID] if there is
// too much to know.
func (m *Manager) SealClientID(ctx context.Context, issuer string, client []byte) (string, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return "", err
	}
	return k.sealToken(kindClient, issuer, client), nil
}

// OpenClientID opens what SealClientID made for the same issuer. Its errors are
// [ErrUnknownToken] or a [*StoreError].
func (m *Manager) OpenClientID(ctx context.Context, issuer, id string) ([]byte, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	return underOthers(ctx, m, k, ErrUnknownToken, maxPatient, func(k *keys) ([]byte, error) {
		if client, ok := k.openToken(kindClient, issuer, id); ok {
			return client, nil
		}
		return nil, ErrUnknownToken
	})
}
