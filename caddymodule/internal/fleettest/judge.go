package fleettest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// cancelled ends a request with its answer.
type cancelled struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements [io.Closer].
func (c *cancelled) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// ask asks for the page, and judges the answer. It reports false where the browser
// has to sign in anew.
func (f *Fleet) ask(p *Process, s *session) (goesOn bool) {
	began := time.Now()
	resp, err := f.send(p, s.user, http.MethodGet, "/", s.cookie)
	if err != nil {
		return true
	}
	defer resp.Body.Close()
	var a asked
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return true // it was killed
	}
	unsaved := resp.StatusCode == http.StatusUnauthorized && !a.Clear && f.unsaved() > 0
	f.mu.Lock()
	defer f.mu.Unlock()
	switch resp.StatusCode {
	case http.StatusOK:
		f.served++
		f.letIn(p, s, a, began)
	case http.StatusUnauthorized:
		f.turnedAway(p, s, a, began, unsaved)
		return false
	default:
		f.refused++
	}
	return true
}

// letIn is the third invariant: who was signed out or ended is accepted nowhere later
// than the sync interval after it, and never again by the process that did it.
func (f *Fleet) letIn(p *Process, s *session, a asked, began time.Time) {
	const invariant = "what is over stays over: "
	u := s.user
	if a.User != u.name || ownerOf(a.Token) != u.name {
		u.breach("everybody gets their own tokens: %s takes them for %q, with a token of %q", p, a.User, ownerOf(a.Token))
	}
	if s.doubt != "" || s.ended.IsZero() {
		if s.doubt == "" {
			f.sure++
		}
		return
	}
	failed := a.After.Waiting > 0 || a.After.Failed.After(began.Add(-2*SyncInterval-5*time.Second))
	switch {
	case !began.After(s.ended):
	case s.by == p:
		u.breach(invariant+"%s accepts what it has ended itself, %v ago", p, began.Sub(s.ended))
	case a.Before.Begun.After(s.ended):
		u.breach(invariant+"%s accepts what was ended before it read the record", p)
	case began.After(s.ended.Add(SyncInterval)) && !failed:
		u.breach(invariant+"%s accepts what was ended %v ago", p, began.Sub(s.ended))
	}
}

// turnedAway is the fourth invariant: a session ends only for a reason.
func (f *Fleet) turnedAway(p *Process, s *session, a asked, began time.Time, unsaved bool) {
	u := s.user
	switch {
	case s.doubt != "" || !s.ended.IsZero() || s.leaving || u.ending > 0 || f.forgets > 0:
	case !a.Clear && (u.signing > 0 || u.signed.After(began) || unsaved || f.unsavedAt.After(began.Add(-time.Second))):
		// The grant is dying, and a sign-in under way or tokens in memory revive it.
	default:
		u.breach("a session ends for a reason: %s says %q (clear: %v)", p, a.Reason, a.Clear)
	}
}

// breach reports a broken invariant with the user's story, once for what follows from it.
func (u *user) breach(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	newest := u.newest(u)
	u.Errorf("%s: %s\nZoom's newest is %v\n%s", u.name, text, newest, strings.Join(u.lines[max(0, len(u.lines)-storyLength):], "\n"))
	u.lines = nil
	u.doubt("an invariant was broken")
	for _, s := range u.sessions {
		s.doubt = "an invariant was broken"
	}
}

// unsaved is how many users have tokens that are in the memory of a process alone.
func (f *Fleet) unsaved() (total int) {
	f.mu.Lock()
	living := f.living()
	f.mu.Unlock()
	for _, p := range living {
		resp, err := p.client.Get(p.url + "/unsaved")
		if err != nil {
			continue
		}
		var n int
		if err := json.NewDecoder(resp.Body).Decode(&n); err == nil {
			total += n
		}
		resp.Body.Close()
	}
	return total
}

// watchUnsaved notes when there was something unsaved.
func (f *Fleet) watchUnsaved(ctx context.Context) {
	Repeat(ctx, 200*time.Millisecond, func(int) {
		if f.unsaved() > 0 {
			f.mu.Lock()
			f.unsavedAt = time.Now()
			f.mu.Unlock()
		}
	})
}

// settle holds everybody to what has to be true when all has been well for a while:
// nothing is unsaved, nothing leased for ever, those who are signed in are served with
// tokens that Zoom takes, and nobody else is.
func (f *Fleet) settle() {
	f.Helper()
	await := func(what string, done func() bool) {
		f.Helper()
		for deadline := time.Now().Add(45 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				f.Errorf("everything ends: waited in vain for %s", what)
				return
			}
		}
	}
	await("everything to be saved", func() bool { return f.unsaved() == 0 })
	time.Sleep(2 * SyncInterval)
	for _, u := range f.users {
		f.Zoom.RevokeAccessTokens(f.app.ClientID, u.name)
		f.mu.Lock()
		sessions, living := append([]*session(nil), u.sessions...), f.living()
		f.mu.Unlock()
		for _, s := range sessions {
			for _, p := range living {
				if f.lives(s) {
					await(fmt.Sprintf("%s to serve %s", p, u.name), func() bool { return !f.lives(s) || f.servedWell(p, s) })
				} else {
					f.ask(p, s)
				}
			}
		}
	}
}

// lives reports whether a session has to live.
func (f *Fleet) lives(s *session) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.doubt == "" && s.ended.IsZero()
}

// servedWell reports whether the browser gets a token that Zoom takes.
func (f *Fleet) servedWell(p *Process, s *session) bool {
	began := time.Now()
	resp, err := f.send(p, s.user, http.MethodGet, "/", s.cookie)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var a asked
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return false
	}
	if resp.StatusCode == http.StatusUnauthorized {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.turnedAway(p, s, a, began, false)
		return false
	}
	return resp.StatusCode == http.StatusOK && f.takes(a.Token, s.user.name)
}

var _ zoompkce.Store = (*watchedStore)(nil)
