package zoompkce

import (
	"context"
	"errors"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// addSession puts the session and the new grant into the user record. Where the
// times do not tell whether the record is newer than this sign-in, Zoom does: the
// later of two sign-ins revokes the tokens of the earlier one, and a user's end those of all.
func (m *Manager) addSession(
	ctx context.Context, u *user, l *Login, fresh *grant, began time.Time, session sessionCookie, replaced []sessionID,
) (*snapshot, error) {
	known := u.current.Load()
	if known != nil && known.readAt.Before(began) {
		fresh.putAfter(known.record.grantOrNil())
	}
	asked, refused := "", false
	for range maxSwaps {
		doubt := ""
		snap, err := m.change(ctx, storeTimeout, u, opSignIn, func(r *record) error {
			ended := r.tombstone()
			if ended && m.surelyBefore(l, u, r.Ended) {
				return ErrSignedOutMeanwhile
			}
			if doubt = r.mayFollow(l, began, known); doubt != "" && doubt != asked {
				return errAsk
			}
			if ended && doubt != "" && refused {
				return ErrSignedOutMeanwhile
			}
			for _, id := range replaced {
				r.endSession(id)
			}
			keep := doubt != "" && refused
			if !keep {
				fresh.putAfter(r.Grant)
			}
			r.addSession(fresh, keep, session, time.Now())
			return nil
		})
		if err == nil {
			m.state.users.end(u, time.Time{}, replaced...)
			u.refreshFailure.Store(nil)
			u.refreshUseless.Store(nil)
		}
		if !errors.Is(err, errAsk) {
			return snap, err
		}
		_, err = m.client.Me(ctx, fresh.token())
		asked, refused = doubt, zoomapi.KindOf(err) == zoomapi.KindUnauthorized
		if err != nil && !refused {
			return nil, err // without Zoom's word a dead grant could take the place of the living one
		}
		if !refused {
			fresh.putAfter(snap.record.grantOrNil())
		}
	}
	return nil, m.storeError(opSignIn, errors.New("the user signs in elsewhere all the time"))
}

// surelyBefore reports whether a login began before all sessions of the user were
// ended, by more than clocks differ or by one clock.
func (m *Manager) surelyBefore(l *Login, u *user, ended time.Time) bool {
	earlier := ended.UnixMilli() - l.Started.UnixMilli()
	return earlier > closeTimes.Milliseconds() || earlier > 0 && l.owner == m.ownerMark() && u.endedByThisClock(ended)
}

// mayFollow names what of the record may be newer than a sign-in, "" if nothing is:
// the end of all sessions after the login began, or a grant saved after the exchange began.
// A grant that was known here before needs no clock to be the older one.
func (r *record) mayFollow(l *Login, began time.Time, known *snapshot) string {
	if r.tombstone() {
		if l.Started.After(r.Ended) {
			return ""
		}
		return r.Ended.String()
	}
	g := r.Grant
	switch {
	case g == nil || g.dead() || g.SavedAt.Before(began.Add(-closeTimes)):
		return ""
	case known != nil && known.readAt.Before(began) && g.same(known.record.grantOrNil()):
		return ""
	}
	return g.SignIn
}

// addSession opens a session, of the record's own grant if that is to be kept.
func (r *record) addSession(fresh *grant, keep bool, session sessionCookie, now time.Time) {
	old := r.Grant
	if old != nil && old.dead() && now.Sub(old.DeadAt) > deadGrace {
		r.Sessions, r.Programs, r.Pending = nil, nil, nil
	}
	r.UserID, r.Ended = fresh.Profile.ID, time.Time{}
	if !keep {
		r.Grant = fresh.clone()
		r.Lease = nil // it is for a refresh token that this sign-in has ended
		r.Grant.Asked = old != nil && len(old.Lacks) > 0
		r.Grant.SavedAt = now
	}
	r.Sessions = append(r.Sessions, openSession{session.id, session.created, dayOf(now)})
}
