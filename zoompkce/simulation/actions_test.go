package simulation

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// take does one step of the plan.
func (w *world) take(s step) {
	p := w.processes[s.pick(0, processes)]
	u := w.users[s.pick(1, len(w.users))]
	switch s.does {
	case request:
		w.askAs(p.incarnation, w.signedInBrowser(s), s.who[2]%3 == 0)
	case replay:
		w.replay(p.incarnation, s)
	case signIn:
		b := w.browsers[s.pick(1, len(w.browsers))]
		if s.who[2]%10 > 0 {
			u = b.user
		}
		w.beginLogin(p.incarnation, b, u)
	case finish:
		if len(w.pending) > 0 {
			w.finishLogin(p.incarnation, w.pending[s.pick(1, len(w.pending))])
		}
	case signOut:
		if b := w.signedInBrowser(s); b != nil {
			w.signOut(p.incarnation, b)
		}
	case endUser:
		w.endUser(p.incarnation, u)
	case deauthorize:
		w.deauthorize(u)
	case deliver:
		if n := len(w.zoom.waiting); n > 0 {
			w.deliver(p.incarnation, s.pick(1, n))
		}
	case tokenDies:
		if t := w.zoom.newest(u); t.grant != nil {
			w.note("Zoom ends the access token of %s", t)
			t.grant.issues[t.serial].refused = true
		}
	case reload:
		w.note("%s reloads", p.incarnation)
		p.reload()
	case kill:
		p.kill(func() bool { return w.luck.IntN(2) == 0 })
		w.start(p)
	case skew:
		p.ahead = time.Duration(s.who[2]%60001)*time.Millisecond - 30*time.Second
		w.note("the clock of %s is %v ahead now", p.incarnation, p.ahead)
	case rollOut:
		w.rollOut(p)
	case allow, redeem, bearer, turn, revoke, steal:
		w.takeOfProgram(p.incarnation, s)
	default:
		w.troubleStore(s)
	}
}

func (w *world) troubleStore(s step) {
	now := time.Now()
	switch s.does {
	case storeReadOnly:
		w.store.readOnly = now.Add(time.Duration(s.who[1]%60) * time.Second)
		w.note("the store is read-only until %v", w.store.readOnly.Sub(now))
	case storeDown:
		w.store.down = now.Add(time.Duration(s.who[1]%20) * time.Second)
		w.store.hangs = s.who[2]%2 == 0
		w.note("the store is down for %v (hangs: %v)", w.store.down.Sub(now), w.store.hangs)
	case storeGoesBack:
		w.store.fallBack(1 + s.pick(1, remembered))
	case secretVanishes:
		w.store.vanish(s.who[1]%2 == 0)
	}
}

// rollOut takes one process one rollout further: not before all others have had the one before.
func (w *world) rollOut(p *process) {
	for _, o := range w.ops {
		if o.kind == "close" {
			return // what was begun with the secrets before the last has not ended
		}
	}
	for _, other := range w.processes {
		if other.stage < w.stage {
			p = other
		}
	}
	if p.stage == w.stage {
		w.stage++
	}
	p.stage = w.stage
	w.note("%s gets the secrets of rollout %d", p.incarnation, p.stage)
	p.reload()
}

// signedInBrowser is a browser with a session, if there is one.
func (w *world) signedInBrowser(s step) *browser {
	var list []*browser
	for _, b := range w.browsers {
		if b.session != nil {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[s.pick(1, len(list))]
}

// askAs has a browser ask for a page.
func (w *world) askAs(i *incarnation, b *browser, zak bool) {
	if b != nil && b.session != nil {
		w.ask(i, b.session, b.header(), zak)
	}
}

// replay has somebody ask with cookies that were the browser's once.
func (w *world) replay(i *incarnation, s step) {
	var list []*session
	for _, u := range w.users {
		for _, x := range u.sessions {
			if !x.ended.IsZero() && x.cookie != "" {
				list = append(list, x)
			}
		}
	}
	if len(list) > 0 {
		x := list[s.pick(1, len(list))]
		w.ask(i, x, []string{i.manager.SessionCookieName() + "=" + x.cookie}, false)
	}
}

func (w *world) ask(i *incarnation, s *session, cookies []string, zak bool) {
	m, known := i.serve(), i.known[s.user].newest
	if known.grant != nil && !known.grant.signedIn {
		known = token{}
	}
	var err error
	var access string
	o := &op{kind: "request of " + s.browser.name, bound: 45 * time.Second, session: s}
	o.settle = func() {
		w.note("%s answers %s: %v", i, s.browser.name, or(err, w.zoom.tokens[access]))
		if none, ok := errors.AsType[*zoompkce.NoSessionError](err); ok {
			w.endsForAReason(o, none)
			if none.Clear {
				s.browser.forget(s)
			}
		} else if o.accepted {
			w.overIsOver(o)
		}
		w.livesOn(o, err)
		if err == nil {
			w.rightTokens(o, w.zoom.tokens[access], known)
		}
	}
	i.do(o, func(o *op) {
		defer m.Done()
		ctx := o.context()
		var in *zoompkce.Session
		if in, err = m.Session(ctx, cookies); err != nil {
			return
		}
		o.accepted = true
		w.yield(ctx, i)
		if zak {
			_, _ = m.ZAK(ctx, in, zoompkce.ZAKPolicy{MaxAge: w.plan.life / 3})
			w.yield(ctx, i)
		}
		access, err = m.AccessToken(ctx, in)
	})
}

// or is the outcome of what gives a token. The names of secrets are not the
// same each time the story is told.
func or(err error, t token) any {
	switch {
	case errors.As(err, new(*zoompkce.UnopenableError)):
		return "the record cannot be opened"
	case err != nil:
		return err
	}
	return t
}

// beginLogin sends a browser to Zoom, where its user consents at once.
func (w *world) beginLogin(i *incarnation, b *browser, u *user) {
	m := i.serve()
	l := &login{browser: b, user: u, began: time.Now(), ahead: i.process.ahead}
	var cookies []*http.Cookie
	var err error
	o := &op{kind: "a login of " + b.name, bound: 5 * time.Second}
	o.settle = func() {
		if err != nil {
			w.note("%s begins no login of %s: %v", i, b.name, err)
			return
		}
		b.set(cookies...)
		l.code = w.zoom.consent(u)
		w.pending = append(w.pending, l)
		w.note("%s begins a login of %s, %s consents: %s", i, b.name, u.name, l.code)
	}
	i.do(o, func(o *op) {
		defer m.Done()
		var in *zoompkce.Login
		in, cookies, err = m.BeginLogin(o.context(), b.header(), zoompkce.LoginRequest{RedirectURI: callbackURI, ReturnURL: "/"})
		if err == nil {
			target, _ := url.Parse(m.AuthorizeURL(in))
			l.state = target.Query().Get("state")
		}
	})
}

// finishLogin brings the browser back from Zoom, to any process.
func (w *world) finishLogin(i *incarnation, l *login) {
	m, b := i.serve(), l.browser
	w.forgetLogin(l)
	previous, header := b.session, b.header()
	ahead := l.ahead - i.process.ahead
	previous.maybeEnd("the browser signs in anew")
	o := &op{kind: "a sign-in of " + b.name, bound: 90 * time.Second, login: l}
	var in *zoompkce.SignedIn
	var drop *http.Cookie
	var err error
	o.settle = func() {
		w.note("%s finishes %s of %s: %v", i, l.code, b.name, or(err, token{o.grant, 0}))
		if o.grant != nil {
			o.grant.signedIn = true
		}
		if errors.Is(err, zoompkce.ErrCodeUnused) || o.grant == nil && errors.As(err, new(*zoompkce.StoreError)) {
			w.pending = append(w.pending, l)
			return
		}
		if drop != nil {
			b.set(drop)
		}
		switch {
		case errors.Is(err, zoompkce.ErrSignedOutMeanwhile):
			o.grant.end("the sign-in was refused")
			l.user.doom("a sign-in that was refused has ended the grant of others")
			w.orderObeyed(o, l)
		case err == nil:
			w.opened(o, l, in, previous)
		}
	}
	i.do(o, func(o *op) {
		defer m.Done()
		ctx := o.context()
		var begun *zoompkce.Login
		if begun, err = m.PendingLogin(ctx, header, zoompkce.BrowserFlow, l.state); begun == nil || err != nil {
			return
		}
		begun.Started = begun.Started.Add(ahead)
		w.yield(ctx, i)
		if _, err = m.Session(ctx, header); errors.As(err, new(*zoompkce.StoreError)) {
			return
		}
		w.yield(ctx, i)
		in, err = m.SignIn(ctx, begun, l.code, header)
		drop = m.DropLogin(begun)
	})
}

// opened notes a new session.
func (w *world) opened(o *op, l *login, in *zoompkce.SignedIn, previous *session) {
	b := l.browser
	b.set(in.Cookie)
	if in.Profile.ID != l.user.name || o.grant == nil {
		w.breaks("0: everybody gets their own tokens", "%s signs %s in as %s", o.by, l.user.name, in.Profile.ID)
		return
	}
	s := &session{user: l.user, browser: b, cookie: in.Cookie.Value, id: o.opened, began: o.began, born: o.grant.born, opened: time.Now()}
	if u := l.user; !u.doomed.Before(s.born) || u.ending > 0 || w.store.mayBeLost(o.began) {
		s.doomed = u.why
	}
	if previous != nil && previous.user == l.user {
		previous.end(o.by)
	}
	l.user.sessions = append(l.user.sessions, s)
	b.session = s
}

func (w *world) forgetLogin(l *login) {
	for n, other := range w.pending {
		if other == l {
			w.pending = append(w.pending[:n:n], w.pending[n+1:]...)
			return
		}
	}
}

// signOut does what the endpoint for it does.
func (w *world) signOut(i *incarnation, b *browser) {
	m, s, header := i.serve(), b.session, b.header()
	s.maybeEnd("the browser signs out")
	o := &op{kind: "a sign-out of " + b.name, bound: 30 * time.Second}
	var err error
	o.settle = func() {
		w.note("%s signs %s out: %v", i, b.name, or(err, token{}))
		if err == nil || errors.As(err, new(*zoompkce.NoSessionError)) {
			if !w.store.mayBeLost(s.began) { // a cookie under a lost secret opens where that is remembered only
				s.end(i)
			}
			b.forget(s)
		}
	}
	i.do(o, func(o *op) {
		defer m.Done()
		err = m.SignOut(o.context(), header)
	})
}

// ends is who is to know the sessions that are ended: nobody where there are none any more.
func (i *incarnation) ends(u *user) *incarnation {
	if v := i.store.ofUser(u); v == nil || !v.Ended.IsZero() {
		return nil
	}
	return i
}

// endUser has an operator end all sessions of a user.
func (w *world) endUser(i *incarnation, u *user) {
	m := i.serve()
	u.aboutToEnd("an operator ends the user")
	by := i.ends(u)
	o := &op{kind: "an operator's end of " + u.name, bound: 30 * time.Second}
	var err error
	done := func() { u.mayHaveEnded("an operator has ended the user") }
	o.settle = func() {
		w.note("%s ends %s: %v", i, u.name, or(err, token{}))
		done()
		if err == nil {
			u.endSessions(by, o.began)
		}
	}
	o.never = done
	i.do(o, func(o *op) {
		defer m.Done()
		_, err = m.EndUser(o.context(), u.name, time.Time{})
	})
}

// doubtful dooms sessions where nobody can tell whether a deauthorization means
// them: sign-ins are under way, so that Zoom's refusal of a token can mean either; the token was
// refused before; or the times are of clocks that differ.
func (w *world) doubtful(d delivery) {
	g := d.user.grant
	doubt := w.plan.skewed && g.born.Before(d.at.Add(time.Minute)) || g.issues[g.serial].refused
	for _, o := range w.ops {
		doubt = doubt || o.login != nil && o.login.user == d.user
	}
	if doubt {
		d.user.doom("a deauthorization may mean them")
	}
}

// deauthorize: the user takes the app's permission away, at Zoom.
func (w *world) deauthorize(u *user) {
	if u.grant == nil {
		return
	}
	w.note("%s takes the permission away at Zoom", u.name)
	u.grant.dead = true
	u.doom("Zoom has ended the grant")
	w.zoom.waiting = append(w.zoom.waiting, delivery{u, time.Now()})
}

// deliver brings Zoom's word of that to a process.
func (w *world) deliver(i *incarnation, n int) {
	d := w.zoom.waiting[n]
	w.zoom.waiting = append(w.zoom.waiting[:n:n], w.zoom.waiting[n+1:]...)
	m := i.serve()
	w.doubtful(d)
	by := i.ends(d.user)
	o := &op{kind: "a deauthorization of " + d.user.name, bound: 30 * time.Second}
	var err error
	o.settle = func() {
		w.doubtful(d)
		w.note("%s is told that %s took the permission away: %v", i, d.user.name, or(err, token{}))
		if err != nil {
			w.zoom.waiting = append(w.zoom.waiting, d)
		} else if g := d.user.grant; g.born.Before(d.at) && (!w.plan.skewed || g.born.Add(time.Minute).Before(d.at)) {
			d.user.endSessions(by, d.at)
		}
	}
	at := d.at.Add(-i.process.ahead) // Zoom's clock is right, and the process takes its own for right
	i.do(o, func(o *op) {
		defer m.Done()
		_, err = m.EndUser(o.context(), d.user.name, at)
	})
}
