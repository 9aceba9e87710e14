package fleettest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// browse is one browser: it signs in, asks with ZAKs, whose refusal has the grant
// refreshed, and signs out at times if it leaves.
func (f *Fleet) browse(ctx context.Context, u *user, leaves bool) {
	var s *session
	Repeat(ctx, f.config.Pause, func(int) {
		p := f.some()
		switch x := rand.IntN(f.config.Seldom); {
		case p == nil:
		case s == nil:
			s = f.signIn(p, u)
		case f.doubts(s) && rand.IntN(4) == 0:
			s = nil // what nobody knows anything of tests nothing
		case x == 0 && leaves:
			f.signOut(p, s)
			s = nil
		case x == 1:
			f.Zoom.RevokeAccessTokens(f.app.ClientID, u.name)
		case x == 2:
			f.askWithOld(p, u)
		case !f.ask(p, s):
			s = nil
		}
	})
}

func (f *Fleet) doubts(s *session) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.doubt != ""
}

// operate ends users.
func (f *Fleet) operate(ctx context.Context) {
	for sleep(ctx, f.config.Ends); ctx.Err() == nil; sleep(ctx, f.config.Ends) {
		if p := f.some(); p != nil {
			f.endUser(p, f.users[rand.IntN(len(f.users))])
		}
	}
}

// patience is how long any answer may take.
const patience = 30 * time.Second

func (f *Fleet) send(p *Process, u *user, method, path, cookies string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	r.Header.Set("Cookie", cookies)
	r.Header.Set("X-User", u.name)
	began := time.Now()
	client := *p.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err == nil {
		resp.Body = &cancelled{resp.Body, cancel}
	} else {
		cancel()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if took := time.Since(began); took > patience || err != nil && !p.killed.Load() {
		u.breach("every request has an answer in time: %s %s at %s took %v: %v", method, path, p, took, err)
	}
	return resp, err
}

// signIn returns nil where it did not work.
func (f *Fleet) signIn(p *Process, u *user) *session {
	s := &session{user: u, began: time.Now()}
	resp, err := f.send(p, u, http.MethodGet, "/login", "")
	if err != nil {
		return nil
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		return nil
	}
	location, err := f.Zoom.SignIn(context.Background(), resp.Header.Get("Location"), u.name)
	if err != nil {
		f.Errorf("consent: %v", err)
		return nil
	}
	callback, err := url.Parse(location)
	if err != nil {
		f.Error(err)
		return nil
	}
	f.mu.Lock()
	u.grants++
	u.signing++
	g := &grant{user: u, number: u.grants}
	f.codes[callback.Query().Get("code")] = g
	u.note("%s: sign-in %d", p, g.number)
	f.mu.Unlock()

	resp, err = f.send(p, u, http.MethodGet, callback.RequestURI(), pairs(resp))
	f.mu.Lock()
	defer f.mu.Unlock()
	u.signing--
	u.signed = time.Now()
	if err != nil {
		return nil // what was lost with the process, whoever killed it knows
	}
	resp.Body.Close()
	u.note("%s: sign-in %d: %s", p, g.number, resp.Status)
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		u.doubt("a sign-in that was refused may have ended the grants of others")
		return nil
	default:
		return nil
	}
	f.signIns++
	g.opened = true
	s.cookie = pairs(resp)
	if !u.doubted.Before(s.began) || f.mayForget(s.began) {
		s.doubt = "what happened during its sign-in may mean it"
	}
	u.sessions = append(u.sessions, s)
	for i, old := range u.sessions {
		if len(u.sessions) > 50 && (!old.ended.IsZero() || old.doubt != "") {
			u.sessions = slices.Delete(u.sessions, i, i+1)
			break
		}
	}
	return s
}

// signOut ends a session, which is not accepted any more by the process that did it.
func (f *Fleet) signOut(p *Process, s *session) {
	f.mu.Lock()
	s.leaving = true
	f.mu.Unlock()
	resp, err := f.send(p, s.user, http.MethodPost, "/logout", s.cookie)
	if err == nil {
		resp.Body.Close()
	}
	f.mu.Lock()
	done := err == nil && resp.StatusCode == http.StatusOK
	if s.user.note("%s: a sign-out: %v", p, done); done {
		f.signOuts++
		s.over(p)
	} else {
		s.doubt = "a sign-out failed, and may have been done"
	}
	f.mu.Unlock()
	if done {
		f.ask(p, s)
	}
}

func (f *Fleet) endUser(p *Process, u *user) {
	f.mu.Lock()
	there := append([]*session(nil), u.sessions...)
	u.ending++
	f.mu.Unlock()
	resp, err := f.send(p, u, http.MethodDelete, "/users/"+u.name, "")
	if err == nil {
		resp.Body.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	u.ending--
	done := err == nil && resp.StatusCode == http.StatusOK
	u.note("%s: an operator ends all sessions: %v", p, done)
	for _, s := range there {
		if done && s.doubt == "" {
			s.over(p)
		}
	}
	f.ends++
	u.doubt("an operator ended all sessions meanwhile")
}

// askWithOld asks with one of the sessions that are known.
func (f *Fleet) askWithOld(p *Process, u *user) {
	f.mu.Lock()
	var s *session
	if len(u.sessions) > 0 {
		s = u.sessions[rand.IntN(len(u.sessions))]
	}
	f.mu.Unlock()
	if s != nil {
		f.ask(p, s)
	}
}

// pairs are the cookies of an answer as a browser sends them.
func pairs(resp *http.Response) string {
	var list []string
	for _, c := range resp.Cookies() {
		list = append(list, c.Name+"="+c.Value)
	}
	return strings.Join(list, "; ")
}
