package zoompkce

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
