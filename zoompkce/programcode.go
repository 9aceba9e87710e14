package zoompkce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// ConsentLifetime is how long a user may think about allowing a program.
const ConsentLifetime = 5 * time.Minute

var (
	// ErrConsentExpired means that the page on which a program was allowed is not
	// one that this session has seen lately, or that its answer was used.
	ErrConsentExpired = errors.New("zoompkce: the consent page is not of this session, or too old, or used")
	// ErrTooManyCodes means that too many programs of the user have not come for
	// their tokens yet.
	ErrTooManyCodes = errors.New("zoompkce: too many codes of the user are waiting")
	// ErrWrongResource means that a code or token was given for another resource.
	ErrWrongResource = errors.New("zoompkce: given for another resource")
	// ErrUnknownToken means that a token is none of ours.
	ErrUnknownToken = errors.New("zoompkce: no token of this issuer")
)

// InvalidGrantError means that a code or refresh token is worth nothing.
type InvalidGrantError struct {
	// Reason is a word for logs.
	Reason string
}

func (e *InvalidGrantError) Error() string { return "code or refresh token " + e.Reason }

var (
	errGrantUnopened = &InvalidGrantError{"unopenable"}
	errGrantExpired  = &InvalidGrantError{"expired"}
	errGrantEnded    = &InvalidGrantError{"ended"}
	errGrantReplayed = &InvalidGrantError{"replayed"}
	errGrantClient   = &InvalidGrantError{"of another client or redirect URI"}
	errGrantVerifier = &InvalidGrantError{"with another verifier"}
)

// Consent is what a consent page asks.
type Consent struct {
	// Request is the authorization request.
	Request string

	id sessionID
}

// consentPayload is what the value in a consent page's form holds.
type consentPayload struct {
	Session sessionID `json:"s"`
	Program sessionID `json:"p"`
	Shown   int64     `json:"t"` // Unix milliseconds
	Request string    `json:"r"`
}

// SealConsent returns the value that the form of a consent page carries. It
// belongs to the session that sees the page, so that nobody can have another
// browser press the button, and to one program however often it is pressed.
func (m *Manager) SealConsent(ctx context.Context, s *Session, issuer, request string) (string, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return "", err
	}
	plain := must(json.Marshal(consentPayload{s.cookie.id, newSessionID(), time.Now().UnixMilli(), request}))
	return k.sealToken(kindConsent, issuer, plain), nil
}

// OpenConsent opens what SealConsent made for the same session and issuer. Its
// errors are [ErrConsentExpired] or a [*StoreError].
func (m *Manager) OpenConsent(ctx context.Context, s *Session, issuer, value string) (*Consent, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	c, err := underOthers(ctx, m, k, ErrConsentExpired, maxPatient, func(k *keys) (c consentPayload, err error) {
		plain, ok := k.openToken(kindConsent, issuer, value)
		if !ok || json.Unmarshal(plain, &c) != nil {
			err = ErrConsentExpired
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	if s.program != nil || c.Session != s.cookie.id ||
		time.Since(time.UnixMilli(c.Shown)) > ConsentLifetime {
		return nil, ErrConsentExpired
	}
	return &Consent{c.Request, c.Program}, nil
}

// Authorization is what a user allows: all that a code is bound to.
type Authorization struct {
	Client      ProgramClient
	Issuer      string
	RedirectURI string
	// Challenge is the SHA-256 of the code verifier (RFC 7636).
	Challenge [sha256.Size]byte
	// Resource is what the tokens are for. Default: the issuer.
	Resource Resource
}

// codePayload is what a code holds.
type codePayload struct {
	User      userKey           `json:"u"`
	Program   sessionID         `json:"p"`
	Kind      ClientKind        `json:"k"`
	Hash      ClientHash        `json:"c"`
	Document  ClientHash        `json:"d"`
	Name      string            `json:"n"`
	Redirect  string            `json:"h"`
	URI       [sha256.Size]byte `json:"r"`
	Challenge [sha256.Size]byte `json:"v"`
	Origin    string            `json:"o"`
	HasPath   bool              `json:"q"`
}

func (p *codePayload) client() ProgramClient {
	return ProgramClient{Kind: p.Kind, Hash: p.Hash, Document: p.Document, Name: p.Name, Redirect: p.Redirect}
}

// AllowProgram lets a program in: it returns the code that the program redeems.
// Until then the program is a note in the user record, for a minute, that takes
// nobody's place. Errors are [ErrConsentExpired], [ErrTooManyCodes], a
// [*NoSessionError] if the session has ended meanwhile, or a [*StoreError].
func (m *Manager) AllowProgram(ctx context.Context, s *Session, c *Consent, a Authorization) (code string, err error) {
	_, err = m.change(ctx, storePatience, s.user, "allowing a program", func(r *record) error {
		now := time.Now()
		r.prune(now, m.life)
		switch {
		case r.session(s.cookie.id) == nil || !r.Grant.lives():
			return errEnded
		case r.program(c.id) != nil:
			return ErrConsentExpired
		case r.pending(c.id) != nil:
			return errUnchanged // pressed twice
		case len(r.Pending) >= maxPending:
			return ErrTooManyCodes
		}
		r.Pending = append(r.Pending, pendingProgram{c.id, now.Unix()})
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return "", err
	}
	if a.Resource.Origin == "" {
		a.Resource.Origin = a.Issuer
	}
	client := a.Client.kept()
	plain := must(json.Marshal(codePayload{
		User: s.user.key, Program: c.id,
		Kind: client.Kind, Hash: client.Hash, Document: client.Document, Name: client.Name, Redirect: client.Redirect,
		URI: sha256.Sum256([]byte(a.RedirectURI)), Challenge: a.Challenge, Origin: a.Resource.Origin, HasPath: a.Resource.HasPath,
	}))
	return m.keys.Load().sealToken(kindCode, a.Issuer, plain), nil
}

// CodeRedemption is what a program presents with a code.
type CodeRedemption struct {
	Code        string
	Client      ClientHash
	Issuer      string
	RedirectURI string
	Verifier    string
	// Resource, unless it is zero, must be within what the code was given for.
	Resource Resource
}

// String keeps codes out of logs.
func (c CodeRedemption) String() string   { return "[redacted]" }
func (c CodeRedemption) GoString() string { return "[redacted]" }

// RedeemCode begins a program. A request that does not match the code changes
// nothing; the second one that does ends the program (RFC 6749, section 4.1.2).
// Errors are an [*InvalidGrantError], [ErrWrongResource] or a [*StoreError].
func (m *Manager) RedeemCode(ctx context.Context, c CodeRedemption) (*ProgramTokens, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	p, err := underOthers(ctx, m, k, errGrantUnopened, maxPatient, func(k *keys) (p codePayload, err error) {
		plain, ok := k.openToken(kindCode, c.Issuer, c.Code)
		if !ok || json.Unmarshal(plain, &p) != nil {
			err = errGrantUnopened
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	if err := c.matches(&p); err != nil {
		return nil, err
	}
	if m.lives == nil || !m.lives(p.client()) {
		return nil, errGrantEnded
	}
	u := m.memory.users.get(p.User)
	if u.hasEnded(p.Program) {
		return nil, errGrantExpired
	}
	told, sent := u.takeUnanswered(p.Program), false
	var now time.Time
	snap, err := m.change(ctx, storePatience, u, "beginning a program", func(r *record) error {
		now = time.Now()
		r.prune(now, m.life)
		switch begun := r.program(p.Program); {
		case begun != nil && told && begun.unheard(now):
			now = time.Unix(begun.Created, 0)
			return errUnchanged
		case begun != nil:
			return errGrantReplayed
		case r.pending(p.Program) == nil:
			return errGrantExpired
		case !r.Grant.lives():
			return errGrantEnded
		}
		r.beginProgram(p.Program, p.client(), now)
		sent = true
		return nil
	})
	if errors.Is(err, errGrantReplayed) {
		return nil, cmp.Or(m.endProgram(ctx, u, p.Program, "code_replayed", nil), err)
	}
	if (sent || told) && errors.As(err, new(*StoreError)) {
		u.noteUnanswered(p.Program) // it may have begun: the code is for trying again
		m.memory.keep(u, time.Now())
	}
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, err
	}
	m.observe(Event{Kind: EventProgramAllowed, UserID: snap.record.UserID, Client: new(p.client())})
	// What it gets has to be opened by others, too: k may have been replaced.
	return m.keys.Load().programTokens(m.life.programs, programToken{
		user: u.key, id: p.Program, generation: 1, issued: now.Unix(),
		origin: hash8(p.Origin), issuer: hash8(c.Issuer), hasPath: p.HasPath,
	}, c.Resource), nil
}

// maxUnanswered is how many of a user's codes may be tried again. Each was allowed by the user
// within the last minute, or is over.
const maxUnanswered = 2 * maxPending

// noteUnanswered keeps in mind that a program may have begun without its client being told.
func (u *user) noteUnanswered(id sessionID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.unanswered = append(u.unanswered, id)
	u.unanswered = u.unanswered[max(0, len(u.unanswered)-maxUnanswered):]
}

// takeUnanswered reports whether that is so, once.
func (u *user) takeUnanswered(id sessionID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.unanswered, id)
	if i >= 0 {
		u.unanswered = slices.Delete(u.unanswered, i, i+1)
	}
	return i >= 0
}

// matches compares what was presented with what the code is bound to.
func (c *CodeRedemption) matches(p *codePayload) error {
	uri, challenge := sha256.Sum256([]byte(c.RedirectURI)), sha256.Sum256([]byte(c.Verifier))
	switch {
	case c.Client != p.Hash || uri != p.URI:
		return errGrantClient
	case !isVerifier(c.Verifier) || subtle.ConstantTimeCompare(challenge[:], p.Challenge[:]) != 1:
		return errGrantVerifier
	case c.Resource.Origin != "" && c.Resource.Origin != p.Origin:
		return ErrWrongResource
	}
	return nil
}

// isVerifier holds a code verifier to RFC 7636, section 4.1.
func isVerifier(s string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return strings.IndexByte(unreserved, c) < 0
	})
}

// programTokens makes the tokens of a generation. An access token may be for less
// than the refresh token, if asked is.
func (k *keys) programTokens(life programLife, t programToken, asked Resource) *ProgramTokens {
	access := t
	access.hasPath = t.hasPath || asked.HasPath
	return &ProgramTokens{
		AccessToken:  k.sealToken(kindAccess, "", access.marshal()),
		RefreshToken: k.sealToken(kindRefresh, "", t.marshal()),
		Expiry:       t.issuedAt().Add(life.token),
	}
}
