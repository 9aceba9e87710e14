// Package storecheck looks at a session store before the first visitor does: whether it
// can be written, and whether the cookie secrets open what is in it. It says in words
// what an operator has to know; it repairs nothing.
package storecheck

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Manager is what a session manager lets be known of its store.
type Manager interface {
	ProveWritable(ctx context.Context) error
	AdoptFormerSecret(ctx context.Context) error
	Survey(ctx context.Context, limit int) (zoompkce.Survey, error)
}

// Finding is what an operator is told.
type Finding struct {
	// Grave tells that users are shut out.
	Grave           bool
	Message, Advice string
}

// startSample is how many records are looked at when a configuration starts, and
// startPatience how long that may take.
const (
	startSample   = 100
	startPatience = 10 * time.Second
)

// AtStart warns of a store that cannot be written, and of records that the secrets
// do not open. It is for the background: a store that hangs holds up nothing but this.
func AtStart(ctx context.Context, logger *zap.Logger, m Manager, appID, clientID string) {
	limited, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	logger = logger.With(zap.String("client_id", clientID))
	adopted := m.AdoptFormerSecret(limited) // first: visitors may be waiting for it
	unwritable := m.ProveWritable(limited)
	survey, unreadable := m.Survey(limited, startSample)
	unreadable = cmp.Or(unreadable, adopted)
	switch {
	case ctx.Err() != nil: // stopped: what failed says nothing
		return
	case unwritable != nil:
		logger.Warn("the session store cannot be written: nobody can sign in", zap.Error(unwritable), zap.String("advice", adviceWritable))
	case unreadable != nil:
		logger.Warn("the session store cannot be read: nobody is signed in", zap.Error(unreadable), zap.String("advice", adviceWritable))
	}
	if unreadable != nil {
		return
	}
	for _, f := range Judge(survey, appID, clientID) {
		logger.Warn(f.Message, zap.Strings("records_key_ids", survey.Sealed), zap.Strings("key_ids", survey.Secrets), zap.String("advice", f.Advice))
	}
}

const adviceWritable = "let the user that Caddy runs as write there, or let Caddy reach the store; caddy zoom-pkce doctor, run as that user, tells more"

// Judge tells what a survey means for an app, nothing if all is well.
func Judge(s zoompkce.Survey, appID, clientID string) (found []Finding) {
	if s.Unopened > 0 {
		f := Finding{Grave: true, Message: unopened(s), Advice: fmt.Sprintf(
			"write the secret that sealed them behind the present one in cookie secret; if it is lost, end these sessions at Caddy's admin API: "+
				"GET /zoom_pkce/apps/%s/users lists what does not open, DELETE there ends all users of the app", clientID)}
		if len(s.Secrets) == 0 {
			f.Advice = "put " + zoompkce.SecretKey(appID) + " back from a backup of the store, or name the cookie secret that sealed them; " +
				"the first visitor has another one made, and then DELETE /zoom_pkce/apps/" + clientID + "/users at Caddy's admin API ends what does not open"
		}
		found = append(found, f)
	}
	if s.Former != "" {
		found = append(found, Finding{
			Message: "the session store still holds the generated cookie secret from before cookie secret was written: it opens what it has sealed, and seals nothing any more",
			Advice: "remove " + zoompkce.SecretKey(appID) + " from the store when the sessions of that time are over (session max_lifetime, programs max_lifetime), " +
				"at once if the store is not to be trusted: whoever can write to it could put a secret of theirs in this place",
		})
	}
	return found
}

// Extent says what was looked at.
func Extent(s zoompkce.Survey) string {
	switch {
	case !s.All:
		return fmt.Sprintf("the %d records that were looked at in the session store", s.Looked)
	case s.Looked == 1:
		return "the one record in the session store"
	}
	return fmt.Sprintf("all %d records in the session store", s.Looked)
}

func unopened(s zoompkce.Survey) string {
	const end = ": their users get 503"
	switch {
	case len(s.Secrets) == 0:
		return "there is no generated cookie secret any more, and nothing opens " + Extent(s) + end
	case s.Unopened == s.Looked:
		return "the cookie secret does not open " + Extent(s) + end
	}
	return fmt.Sprintf("the cookie secret does not open %d of %s%s", s.Unopened, Extent(s), end)
}
