package simulation

import (
	"errors"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	zoomTimeout = 10 * time.Second // the client's default
	leaseLife   = 3 * zoomTimeout
	leaseDoubt  = zoomTimeout * 9 / 10 // how long at least a lease counts that is over by another clock
	noMemory    = time.Second          // how long memory's word is believed that a session is over
	// clockMargin is how close two times of different clocks may be for the
	// clocks not to decide (DESIGN 4.6).
	clockMargin = 6 * time.Minute
	// saveGrace is how long tokens may stay in memory alone when the store is
	// well again: the longest pause between two tries to save them, and a try.
	saveGrace = 40 * time.Second
)

// presentedOnce is invariant 1: no refresh token is presented again once Zoom
// has taken it, except where nobody has the answer, or who has it could not save it until its
// lease was over.
func (w *world) presentedOnce(c *call, spent token) {
	const invariant = "1: a refresh token is presented once"
	by, g, next := c.by, spent.grant, spent.serial+1
	after := g.issues[next]
	knows := by.known[g.user]
	switch {
	case c.gone.Load(): // it was presented long ago, and got there late
	case g.over != "": // who ends a grant may have to refresh it to revoke it
	case after.lost: // whoever was to get it cannot tell that it was spent, and gives the lease back
	case g.user.wentBack.After(after.at.Add(-zoomTimeout)): // the lease was forgotten
	case knows.newest.grant == g && knows.newest.serial >= next && time.Since(knows.at) < time.Minute:
		w.breaks(invariant, "%s presents the refresh token of %s, and knows of %s", by, spent, knows.newest)
	case (after.to.killed.Load() || g.saved < next) && !c.made.Before(after.leased):
	case after.savedAt.After(knows.leased) && !knows.leased.Before(after.leased): // and was saved when another had the next lease
	case w.plan.skewed && c.made.Sub(after.leased) >= leaseDoubt-leaseLife: // the lease was over by another clock
	case w.plan.skewed && c.made.Sub(knows.leased) < zoomTimeout && after.at.Sub(knows.leased) >= leaseDoubt: // so was its own, on the way
	case g.saved >= next && g.user.wentBack.After(after.savedAt):
	default:
		w.breaks(invariant, "%s presents the refresh token of %s, which %s has spent", by, spent, after.to)
	}
}

// newestGrantKept is invariant 2: the newest grant that Zoom holds for a user is in the
// store, or in the memory of a process that lives, or its answer was lost, or
// nobody needs it.
func (w *world) newestGrantKept(u *user) {
	const invariant = "2: the newest grant is kept"
	t := w.zoom.newest(u)
	if t.grant == nil || t.grant.over != "" || u.ending > 0 || u.locked {
		return
	}
	is := t.grant.issues[t.serial]
	if is.heard.IsZero() || is.lost {
		return
	}
	since := is.heard
	v := w.store.ofUser(u)
	if v != nil && v.Grant != nil {
		switch stored := w.zoom.tokens[v.Grant.AccessToken]; {
		case stored == t && v.Grant.DeadAt.IsZero():
			return
		case stored == t:
			w.breaks(invariant, "%s is marked as dead, and Zoom takes it", t)
		}
	} else if is.to.known[u].foundNone.After(is.heard) {
		return // nobody has a session that lives by it: it is revoked, if Zoom can be reached
	}
	by := is.to
	if t.grant.saved >= t.serial {
		if !u.wentBack.After(is.savedAt) {
			w.breaks(invariant, "%s was saved, and the store has %s", t, w.describe(v))
			return
		}
		// It was there. Only who has seen it can put it back, when they look at the store again.
		if by = w.whoKnows(t); by == nil || by.forgotten(t) {
			return
		}
		if by.known[u].readFrom.Before(u.wentBack) {
			return
		}
		since = by.known[u].readAt
	}
	if hindered := by.hindered(u, v, is); hindered.After(since) {
		since = hindered
	}
	if time.Since(since) > saveGrace {
		w.breaks(invariant, "%s was given to %s %v ago, and the store has %s", t, is.to, time.Since(is.at), w.describe(w.store.ofUser(u)))
	}
}

// hindered is when something was last in the way of a process that has tokens to save. It tries
// again within saveGrace.
func (i *incarnation) hindered(u *user, v *view, is issue) (last time.Time) {
	k := i.known[u]
	// What hung until all was well has to time out.
	reasons := []time.Time{k.refused, k.failed, i.store.readOnly, i.store.down, i.wellSince, u.unlocked}
	if is.refused {
		// They have to be refreshed first, and another's lease stands until it is over by this one's clock.
		if u.freed.owner != i.owner {
			reasons = append(reasons, u.freed.at)
		}
		if v != nil && v.Lease != nil && v.Lease.Owner != i.owner {
			over := v.Lease.Deadline.Add(leaseDoubt - i.process.ahead)
			reasons = append(reasons, earlier(over, time.Now()))
		}
	}
	return slices.MaxFunc(reasons, time.Time.Compare)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// forgotten reports whether the store went back past a token and a process that knew it cannot tell
// that any more: others have counted on from there as far as the number it knows, or the
// sign-in that is there instead is of a clock that cannot be compared.
func (i *incarnation) forgotten(t token) bool {
	u := t.grant.user
	v := i.store.ofUser(u)
	switch {
	case i.known[u].overtaken:
		return true
	case u.wentBack.Before(t.grant.issues[t.serial].at):
		return false
	case v == nil || v.Grant == nil: // who meets a vanished record or a tombstone saves nothing
		return true
	}
	return i.plan.skewed && i.zoom.tokens[v.Grant.AccessToken].grant != t.grant
}

// whoKnows is a process that lives and has lately seen a token.
func (w *world) whoKnows(t token) *incarnation {
	for _, p := range w.processes {
		if k := p.known[t.grant.user]; k.newest == t && time.Since(k.at) < time.Minute {
			return p.incarnation
		}
	}
	return nil
}

// neverGoesBack is part of invariant 2: no write replaces the grant that Zoom
// holds by an older one.
func (w *world) neverGoesBack(by *incarnation, u *user, was, is token) {
	if newest := w.zoom.newest(u); was.grant != nil && was == newest && is.grant != nil && is.before(was) {
		w.breaks("2: the newest grant is kept", "%s puts %s in the place of %s, which Zoom holds", by, is, was)
	}
}

// overIsOver is invariant 3: who was signed out, ended or replaced is accepted nowhere later
// than sync_interval after it, and never again in the process that did it.
func (w *world) overIsOver(o *op) {
	const invariant = "3: what is over stays over"
	s := o.session
	if s.ended.IsZero() || !o.began.After(s.ended) {
		return
	}
	if s.endedBy == o.by {
		w.breaks(invariant, "%s accepts a session of %s that it has ended itself", o.by, s.browser.name)
		return
	}
	k := o.by.known[s.user]
	forgot := !s.user.wentBack.Before(s.born) // and whoever remembers may put it back, even when it was ended where the store had forgotten it
	switch {
	case forgot:
	case k.readFrom.After(s.ended) && o.began.After(k.readAt):
		w.breaks(invariant, "%s accepts a session of %s that was ended before it read the record", o.by, s.browser.name)
	case o.began.After(s.ended.Add(w.plan.sync)) && k.failed.Before(s.ended) && !w.reads(o.by, s.user):
		w.breaks(invariant, "%s accepts a session of %s that was ended %v before", o.by, s.browser.name, o.began.Sub(s.ended))
	}
}

// reads reports whether a process waits for the record of a user.
func (w *world) reads(by *incarnation, u *user) bool {
	for _, c := range w.calls {
		if c.by == by && c.kind == "load" && c.on == u.name {
			return true
		}
	}
	return false
}

// endsForAReason is invariant 4: a session ends only for a reason that the
// world caused, and no cookie is cleared that opens to a live one.
func (w *world) endsForAReason(o *op, none *zoompkce.NoSessionError) {
	s := o.session
	switch {
	case s.doomed != "":
	case !none.Clear && none.Reason == "ended" && s.user.dyingSince(o.began.Add(-noMemory)):
		// The store said so, and a sign-in under way or tokens in memory revive it.
	case !none.Clear && none.Reason == "unopenable" && w.store.mayBeLost(o.began):
		// A secret was replaced a moment ago: the cookie is kept for the next request.
	default:
		w.breaks("4: a session ends for a reason", "%s says %q to %s (clear: %v)", o.by, none, s.browser.name, none.Clear)
	}
}

// orderObeyed is invariant 5 for sign-ins that are turned away: none is that began after
// the last tombstone.
func (w *world) orderObeyed(o *op, l *login) {
	refused := o.grant.dead || o.grant.issues[0].refused // Zoom's word stands against it
	if u := l.user; l.began.After(u.ended) && u.ending == 0 && !refused {
		w.breaks("5: who came after a tombstone is let in", "%s turns %s away, who came %v after the tombstone",
			o.by, l.browser.name, l.began.Sub(u.ended))
	}
}

// tombstoneObeyed is invariant 5 for those that are not: none comes back that
// began long before the tombstone.
func (w *world) tombstoneObeyed(by *incarnation, u *user, was *view, g *grant) {
	if g != nil && !g.began.IsZero() && g.began.Add(clockMargin).Before(was.Ended) {
		w.breaks("5: who came before a tombstone is not", "%s lets %s in, whose login began %v before the tombstone",
			by, u.name, was.Ended.Sub(g.began))
	}
}

// answeredInTime is invariant 6 for requests: each has an answer within its bound.
func (w *world) answeredInTime(o *op, now time.Time) {
	if took := now.Sub(o.began); took > o.bound && !o.by.killed.Load() {
		w.breaks("6: everything ends", "%s: %s takes %v", o.by, o.kind, took)
	}
}

// nothingIsLeft is invariant 6 at the end, when everything has been well for a
// while: nothing is unsaved, nothing leased for ever.
func (w *world) nothingIsLeft() {
	const invariant = "6: everything ends"
	for _, p := range w.processes {
		locked := slices.ContainsFunc(w.users, func(u *user) bool { return u.locked || w.store.underLostSecret(u) })
		if n := p.state.UnsavedUsers(); n > 0 && !locked {
			w.breaks(invariant, "%s still has unsaved tokens of %d users", p.incarnation, n)
		}
	}
	for _, u := range w.users {
		if v := w.store.ofUser(u); v != nil && v.Lease != nil && time.Until(v.Lease.Deadline) > leaseLife+time.Minute {
			w.breaks(invariant, "the lease of %s lasts for another %v", u.name, time.Until(v.Lease.Deadline))
		}
	}
}

// livesOn is invariant 6 for those who are signed in: when everything is well
// again they are served.
func (w *world) livesOn(o *op, err error) {
	well := w.calm && o.began.After(w.wellSince.Add(45*time.Second))
	if well && err != nil && o.session.doomed == "" && !errors.As(err, new(*zoompkce.NoSessionError)) {
		w.breaks("6: everything ends", "%s does not serve %s, though all is well: %v", o.by, o.session.browser.name, err)
	}
}

// rightTokens: who is let in gets tokens of their own, and none older than the
// process was given.
func (w *world) rightTokens(o *op, t token, known token) {
	// Until Zoom is asked, clocks decide between sign-ins that are so close, or the order of two answers.
	undecided := known.grant != nil && t.grant != nil && t.grant != known.grant && time.Since(known.grant.born) < time.Minute &&
		(w.plan.skewed || t.grant.saved < 0 && t.grant.issues[0].heard.After(known.grant.issues[0].heard))
	switch s := o.session; {
	case t.grant == nil || t.grant.user != s.user:
		w.breaks("0: everybody gets their own tokens", "%s gives %s to %s", o.by, t, s.browser.name)
	case t.before(known) && w.zoom.newest(s.user) == known && known.grant.over == "" && s.user.ending == 0 && !o.by.forgotten(known) && !undecided:
		w.breaks("2: the newest grant is kept", "%s hands out %s, and was given %s", o.by, t, known)
	}
}

// lateAnswersAreLate is part of invariant 2: an answer that others have overtaken
// brings nothing back, so no process takes the store for one that went back.
func (w *world) lateAnswersAreLate() {
	w.mu.Lock()
	said := w.saidBack
	w.saidBack = nil
	w.mu.Unlock()
	for _, u := range w.users {
		if slices.Contains(said, u.name) && u.wentBack.IsZero() {
			w.breaks("2: the newest grant is kept", "a late answer about %s is taken for the newest", u.name)
		}
	}
}

// hold checks what has to hold after every step.
func (w *world) hold() {
	now := time.Now()
	for _, u := range w.users {
		w.newestGrantKept(u)
	}
	w.lateAnswersAreLate()
	for _, o := range w.ops {
		w.answeredInTime(o, now)
	}
	if err := w.panicked.Load(); err != nil {
		w.breaks("6: everything ends", "background work panicked: %v", *err)
	}
}
