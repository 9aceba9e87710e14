package zoompkce_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestStoreTrouble(t *testing.T) {
	for name, broken := range map[string]func(*testStore){
		"down": func(s *testStore) { s.fail("any", -1) },
		"hang": func(s *testStore) { s.hang("any") },
		"slow": func(s *testStore) { s.add(storeRule{op: "any", times: -1, delay: 5 * time.Second, err: errStoreDown}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b, bob := p.signIn("ada"), p.signIn("bob")
				p.works(b)
				broken(w.store)
				// Users in memory go on until their access token ends.
				for range 59 * 4 {
					w.took(2*time.Second, func() { p.works(b) })
					time.Sleep(10 * time.Second)
				}
				time.Sleep(time.Hour - 59*4*10*time.Second)
				w.took(2*time.Second, func() { p.storeTrouble(b) })
				w.took(2*time.Second, func() { p.storeTrouble(bob) })
				w.calls(zoomtest.CallRefresh, 0)

				// New logins do not spend their code.
				fresh := newBrowser()
				l, code := p.begin(fresh, "bob")
				w.zoom.ResetCounts()
				w.took(2*time.Second, func() {
					if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.StoreError)) {
						w.Errorf("%v", err)
					}
				})
				w.calls(zoomtest.CallCode, 0)
				if ended, err := p.EndUser(ctx, "ada", time.Time{}); ended || err == nil {
					w.Error("ended without a store")
				}

				w.store.heal()
				time.Sleep(30 * time.Second)
				p.works(b)
				p.works(bob)
				w.must(p.finish(fresh, l, code))
			})
		})
	}
}

// Who is overtaken by others tries again at once, and after three times a little later
// each time; for as long as the store is waited for, and not for ever.
func TestChangesThatOthersOvertake(t *testing.T) {
	for times, waits := range map[int]bool{0: false, 2: false, 3: true, 30: true} {
		bubble(t, func(w *world) {
			p := w.process()
			b := p.signIn("ada")
			if times > 0 {
				w.store.add(storeRule{op: "swap", times: times, err: zoompkce.ErrConflict})
			}
			began := time.Now()
			w.must(p.SignOut(ctx, b.header()))
			if took := time.Since(began); waits != (took > 0) || took > time.Second {
				w.Errorf("overtaken %d times it took %v", times, took)
			}
			p.signedOut(b)
		})
	}
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		s, consent := p.session(b), p.consented(b)
		w.store.add(storeRule{op: "swap", times: -1, err: zoompkce.ErrConflict})
		w.took(2*time.Second, func() {
			_, err := p.AllowProgram(ctx, s, consent, authorization)
			if !errors.As(err, new(*zoompkce.StoreError)) || !errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("overtaken for ever: %v", err)
			}
		})
		if err := p.SignOut(ctx, b.header()); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("overtaken for ever: %v", err)
		}
	})
}

// A change that has reached the store is not left alone with the store's lock by a manager
// that stops: the store may be closed next.
func TestDrainWaitsForChanges(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		gate := w.store.hold("swap", false)
		p.in(tokens)
		<-gate.arrived // its use is noted
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			p.Drain()
		}()
		synctest.Wait()
		select {
		case <-drained:
			w.Error("drained with a change under way")
		default:
		}
		close(gate.release)
		<-drained
	})
}

// Within the sync interval the record is not read before a refresh.
func TestExpiredTokenAndHangingStore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := p.signIn("ada")
		time.Sleep(time.Hour - 5*time.Second)
		w.zoom.Fail(zoomtest.CallRefresh, 1, zoomtest.Status(500, ""))
		p.works(b)
		synctest.Wait()
		w.store.hang("any")
		time.Sleep(5 * time.Second)
		w.took(2*time.Second, func() {
			if _, err := p.token(b); err == nil {
				w.Error("a refresh without a store")
			}
		})
		if got := p.outcomes(zoompkce.EventRefresh); len(got) != 2 || got[1] != "store" {
			w.Errorf("refreshes ended with %q", got)
		}
	})
}

func TestStoreRecoversAtOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(), w.process()
		b := p.signIn("ada")
		w.store.fail("load", 1)
		q.storeTrouble(b)
		time.Sleep(200 * time.Millisecond)
		q.works(b)
	})
}

// A record that somebody damages, swaps or cannot be opened is trouble, and
// stays what it is.
func TestUnopenableRecord(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(sealed, other []byte) []byte
		reason string
	}{
		"damaged":      {func(sealed, _ []byte) []byte { sealed[len(sealed)-1] ^= 1; return sealed }, "it was damaged"},
		"empty":        {func([]byte, []byte) []byte { return nil }, "it is too short"},
		"short":        {func(sealed, _ []byte) []byte { return sealed[:8] }, "it is too short"},
		"the head":     {func(sealed, _ []byte) []byte { return sealed[:9] }, "it was damaged"},
		"of a newer":   {func(sealed, _ []byte) []byte { sealed[0] = 3; return sealed }, "its format is 3, this version knows formats up to 2"},
		"of none":      {func(sealed, _ []byte) []byte { sealed[0] = 0; return sealed }, "its format is 0"},
		"another's":    {func(_, other []byte) []byte { return other }, "is not what belongs under this key"},
		"truncated":    {func(sealed, _ []byte) []byte { return sealed[:20] }, "it was damaged"},
		"other secret": {func(sealed, _ []byte) []byte { sealed[3] ^= 1; return sealed }, "not among the cookie secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(), w.process()
				b := p.signIn("ada")
				q.works(b)
				mine := w.store.only(t)
				bob := p.signIn("bob")
				other, _, _ := w.store.Load(ctx, w.store.other(t, mine))
				value, version, _ := w.store.Load(ctx, mine)
				damaged := test.damage(append([]byte(nil), value...), other)
				version, err := w.store.Swap(ctx, mine, version, damaged, time.Time{})
				if err != nil {
					w.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				if err := p.storeTrouble(b); !errors.As(err, new(*zoompkce.UnopenableError)) || !strings.Contains(err.Error(), test.reason) {
					w.Errorf("not called unopenable for %q: %v", test.reason, err)
				}
				fresh := newBrowser()
				l, code := p.begin(fresh, "ada")
				if err := p.finish(fresh, l, code); !errors.As(err, new(*zoompkce.UnopenableError)) {
					w.Errorf("a sign-in: %v", err)
				}
				if _, err := p.EndUser(ctx, "ada", time.Now()); err == nil {
					w.Error("a message from outside has replaced it")
				}
				if _, now, _ := w.store.Load(ctx, mine); now != version {
					w.Error("the record was overwritten")
				}
				p.works(bob)

				for _, trouble := range []func(){
					func() { w.store.pass("load", 1); w.store.fail("load", 1) },
					func() { w.store.fail("swap", 1) },
					func() { w.store.pass("load", 2); w.store.fail("load", 1) }, // then it is done, and cannot be found so
				} {
					trouble()
					if ended, err := p.EndUser(ctx, "ada", time.Time{}); ended || !errors.As(err, new(*zoompkce.StoreError)) || !errors.Is(err, errStoreDown) {
						w.Errorf("in store trouble: %v, %v", ended, err)
					}
					w.store.heal()
				}
				if _, err := w.store.Swap(ctx, mine, w.store.version(mine), damaged, time.Time{}); err != nil {
					w.Fatal(err)
				}
				if ended, err := p.EndUser(ctx, "ada", time.Time{}); !ended || err != nil {
					w.Errorf("the way out: %v, %v", ended, err)
				}
				p.signedOut(b)
				q.signedOut(b) // who knows an older record
				if status, err := p.UserStatus(ctx, "ada"); err != nil || !status.EndedAt.Equal(time.Now()) {
					w.Errorf("%+v, %v", status, err)
				}
				p.works(p.signIn("ada"))
			})
		})
	}
}

// subject is all that a process may be asked about, made by another one.
type subject struct {
	b              *browser
	session        *zoompkce.Session
	login          *zoompkce.Login
	code           string // of the login
	ticket, client string
	opened         *zoompkce.FrameTicket
	page           string
	consent        *zoompkce.Consent
	allowed        string
	tokens         *zoompkce.ProgramTokens
	refreshing     *zoompkce.Session
}

func (p *process) subject() (s subject) {
	s.b = p.signIn("ada")
	time.Sleep(10 * time.Second) // so that the session may be renewed
	s.login, s.code = p.begin(s.b, "ada")
	s.session = p.session(s.b)
	s.ticket = p.ticket(s.b)
	s.consent, s.allowed, s.tokens = p.consented(s.b), p.allow(s.b), p.program(s.b)
	var errs [4]error
	s.opened, errs[0] = p.OpenFrameTicket(ctx, s.ticket)
	s.client, errs[1] = p.SealClientID(ctx, issuer, []byte("a client"))
	s.page, errs[2] = p.SealConsent(ctx, s.session, issuer, "")
	s.refreshing, errs[3] = p.RefreshSession(ctx, issuer, s.tokens.RefreshToken, appClient.Hash)
	p.must(errors.Join(errs[:]...))
	return s
}

// In trouble with the store, be it about the secret that lies there or about what is
// sealed with it, nobody hears a verdict: not even that nothing is to be done.
func TestTroubleIsNoVerdict(t *testing.T) {
	idle := func(c *zoompkce.ManagerConfig) { c.IdleTimeout = 100 * time.Second }
	for name, test := range map[string]struct {
		call func(p *process, s subject) error
		away bool // it does without the store as long as it has the secret
	}{
		"BeginLogin": {func(p *process, s subject) error {
			_, _, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callbackURI})
			return err
		}, true},
		"PendingLogin": {func(p *process, s subject) error {
			_, err := p.PendingLogin(ctx, s.b.header(), zoompkce.BrowserFlow, stateOf(s.login))
			return err
		}, true},
		"StateRestarted": {func(p *process, s subject) error {
			restarted, err := p.StateRestarted(ctx, stateOf(s.login))
			if restarted {
				err = errors.New("it is said to be one")
			}
			return err
		}, true},
		"SignIn":  {func(p *process, s subject) error { return p.finish(s.b, s.login, s.code) }, false},
		"Session": {func(p *process, s subject) error { _, err := p.Session(ctx, s.b.header()); return err }, false},
		"Renew": {func(p *process, s subject) error {
			_, err := p.Renew(ctx, s.session)
			return err
		}, true},
		"SignOut":    {func(p *process, s subject) error { return p.SignOut(ctx, s.b.header()) }, false},
		"Disconnect": {func(p *process, s subject) error { return p.Disconnect(ctx, s.b.header()) }, false},
		"EndUser":    {func(p *process, s subject) error { _, err := p.EndUser(ctx, "ada", time.Time{}); return err }, false},
		"EndUsers":   {func(p *process, s subject) error { _, _, _, err := p.EndUsers(ctx, ""); return err }, false},
		"UserStatus": {func(p *process, s subject) error { _, err := p.UserStatus(ctx, "ada"); return err }, false},
		"UserSession": {func(p *process, s subject) error {
			_, err := p.UserSession(ctx, "ada")
			return err
		}, false},
		"UnopenableRecords": {func(p *process, s subject) error { _, err := p.UnopenableRecords(ctx, ""); return err }, false},
		"Survey":            {func(p *process, s subject) error { _, err := p.Survey(ctx, 10); return err }, false},
		"SignInFromContext": {func(p *process, s subject) error {
			_, err := p.SignInFromContext(ctx, zoomapi.AppContext{UserID: "ada", ID: "context"})
			return err
		}, false},
		"FrameTicket":     {func(p *process, s subject) error { _, err := p.FrameTicket(ctx, s.session); return err }, true},
		"OpenFrameTicket": {func(p *process, s subject) error { _, err := p.OpenFrameTicket(ctx, s.ticket); return err }, false},
		"RedeemFrameTicket": {func(p *process, s subject) error {
			_, err := p.RedeemFrameTicket(ctx, s.opened, nil)
			return err
		}, false},
		"SealClientID": {func(p *process, s subject) error { _, err := p.SealClientID(ctx, issuer, nil); return err }, true},
		"OpenClientID": {func(p *process, s subject) error { _, err := p.OpenClientID(ctx, issuer, s.client); return err }, true},
		"SealConsent":  {func(p *process, s subject) error { _, err := p.SealConsent(ctx, s.session, issuer, ""); return err }, true},
		"OpenConsent":  {func(p *process, s subject) error { _, err := p.OpenConsent(ctx, s.session, issuer, s.page); return err }, true},
		"AllowProgram": {func(p *process, s subject) error {
			_, err := p.AllowProgram(ctx, s.session, s.consent, authorization)
			return err
		}, false},
		"RedeemCode": {func(p *process, s subject) error { _, err := p.RedeemCode(ctx, redemption(s.allowed)); return err }, false},
		"ProgramSession": {func(p *process, s subject) error {
			_, err := p.ProgramSession(ctx, issuer, s.tokens.AccessToken)
			return err
		}, false},
		"Programs":       {func(p *process, s subject) error { _, err := p.Programs(ctx, s.session); return err }, true},
		"RefreshSession": {func(p *process, s subject) error { _, err := p.refreshProgram(s.tokens); return err }, false},
		"RefreshProgram": {func(p *process, s subject) error {
			_, err := p.RefreshProgram(ctx, s.refreshing, zoompkce.Resource{})
			return err
		}, false},
		"EndProgram": {func(p *process, s subject) error {
			program, _ := s.refreshing.Program()
			return p.EndProgram(ctx, s.session, program.ID)
		}, false},
		"RevokeProgram": {func(p *process, s subject) error {
			return p.RevokeProgram(ctx, issuer, s.tokens.AccessToken, appClient.Hash)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, known := range []bool{false, true} {
				bubble(t, func(w *world) {
					p, q := w.process(secrets(), withPrograms, idle), w.process(secrets(), withPrograms, idle)
					s := p.subject()
					if known {
						q.beginAt(newBrowser(), zoompkce.LoginRequest{})
					}
					w.store.add(storeRule{op: "any", times: -1, err: zoompkce.ErrStoreClosed})
					err := test.call(q, s)
					if want := !known || !test.away; want != errors.As(err, new(*zoompkce.StoreError)) || !want && err != nil {
						w.Errorf("with the secret in memory %v: %v", known, err)
					}
				})
			}
			for n := range 6 {
				bubble(t, func(w *world) {
					p, q := w.process(secrets(), withPrograms, idle), w.process(secrets(), withPrograms, idle)
					s := p.subject()
					if n > 0 {
						q.beginAt(newBrowser(), zoompkce.LoginRequest{})
						w.store.pass("any", n)
					}
					w.store.fail("any", 1)
					err := test.call(q, s)
					if trouble := errors.As(err, new(*zoompkce.StoreError)); !trouble && (err != nil || n == 0) {
						w.Errorf("when the store has failed once, after %d calls: %v", n, err)
					}
				})
			}
		})
	}
}
