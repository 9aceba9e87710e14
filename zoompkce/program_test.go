package zoompkce_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestProgramSignsIn(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		began := time.Now()
		tokens := p.program(b)
		if !tokens.Expiry.Equal(began.Add(time.Hour)) {
			w.Errorf("expires at %v", tokens.Expiry)
		}
		time.Sleep(time.Minute)
		s := p.in(tokens)
		if s.Profile().ID != "ada" || !s.Created().Equal(began) || !p.ExpiresAt(s).Equal(tokens.Expiry) {
			w.Errorf("%v, created %v, expires at %v", s.Profile(), s.Created(), p.ExpiresAt(s))
		}
		if c, err := p.Renew(ctx, s); c != nil || err != nil {
			w.Errorf("a program gets a cookie: %v, %v", c, err)
		}
		token, err := p.AccessToken(ctx, s)
		if _, _, ok := w.zoom.ValidateAccessToken(token); !ok || err != nil {
			w.Errorf("Zoom does not take the access token: %v", err)
		}
		program, ok := s.Program()
		if !ok || program.Client != appClient || !program.Allowed.Equal(began) {
			w.Errorf("%+v", program)
		}
		if !s.ForWholeSite() || p.session(b).ForWholeSite() {
			w.Error("what the token is for")
		}
		if _, ok := p.session(b).Program(); ok {
			w.Error("a browser is a program")
		}
		w.calls(zoomtest.CallCode, 1) // the program shares the user's one grant
	})
}

// Tokens are of use where they were meant for, as what they are, and for so long.
func TestDeadTokens(t *testing.T) {
	bubble(t, func(w *world) {
		lives := true
		p := w.process(programs(func(c *zoompkce.ProgramConfig) {
			c.Lives = func(client zoompkce.ProgramClient) bool { return lives && client == appClient }
		}))
		b := p.signIn("ada")
		code := p.allow(b)
		tokens, err := p.RedeemCode(ctx, redemption(code))
		if err != nil {
			w.Fatal(err)
		}
		access := tokens.AccessToken
		other := w.process(withPrograms, func(c *zoompkce.ManagerConfig) { c.Secrets = [][]byte{secondSecret} })
		for name, test := range map[string]struct {
			p      *process
			origin string
			token  string
			reason string
		}{
			"at another origin":         {p, "https://other.example", access, "foreign"},
			"a refresh token":           {p, issuer, tokens.RefreshToken, "no_access_token"},
			"a code":                    {p, issuer, code, "unopenable"},
			"a refresh token in guise":  {p, issuer, strings.Replace(tokens.RefreshToken, "_r_", "_a_", 1), "unopenable"},
			"cut":                       {p, issuer, access[:len(access)-1], "unopenable"},
			"changed":                   {p, issuer, access[:len(access)-2] + "AA", "unopenable"},
			"padded":                    {p, issuer, access + "=", "unopenable"},
			"the prefix alone":          {p, issuer, p.TokenPrefix(), "unopenable"},
			"nothing":                   {p, issuer, "", "unopenable"},
			"long":                      {p, issuer, p.TokenPrefix() + "a_" + strings.Repeat("A", 1<<20), "unopenable"},
			"under another secret":      {other, issuer, access, "unopenable"},
			"where programs are not in": {w.process(), issuer, access, "off"},
		} {
			if reason := test.p.dead(test.origin, test.token); reason != test.reason {
				w.Errorf("%s: %s, not %s", name, reason, test.reason)
			}
			p.in(tokens)
		}
		lives = false
		if reason := p.out(tokens); reason != "client" {
			w.Errorf("of a client that is gone: %s", reason)
		}
		if _, err := p.refreshProgram(tokens); err == nil {
			w.Error("a client that is gone gets new tokens")
		}
		lives = true
		p.in(tokens)
		time.Sleep(time.Hour)
		if reason := p.out(tokens); reason != "expired" {
			w.Errorf("after its time: %s", reason)
		}
		if outcomes := p.outcomes(zoompkce.EventTokenRejected); len(outcomes) < 10 {
			w.Errorf("told of %v", outcomes)
		}
	})
}

// What was given for a part of the site, or is narrowed at a refresh, is not for
// the whole.
func TestResources(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		a := authorization
		a.Resource = zoompkce.Resource{Origin: "https://other.example"}
		code, err := p.AllowProgram(ctx, p.session(b), p.consented(b), a)
		if err != nil {
			w.Fatal(err)
		}
		wrong := redemption(code)
		wrong.Resource.Origin = issuer
		if _, err := p.RedeemCode(ctx, wrong); !errors.Is(err, zoompkce.ErrWrongResource) {
			w.Errorf("another resource: %v", err)
		}
		tokens, err := p.RedeemCode(ctx, redemption(code))
		if err != nil {
			w.Fatalf("a refused request has spent the code: %v", err)
		}
		if reason := p.out(tokens); reason != "foreign" {
			w.Errorf("at the issuer: %s", reason)
		}
		s, err := p.ProgramSession(ctx, "https://other.example", tokens.AccessToken)
		if err != nil || !s.ForWholeSite() {
			w.Errorf("at its resource: %v", err)
		}
		refresh, err := p.RefreshSession(ctx, issuer, tokens.RefreshToken, appClient.Hash)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := p.RefreshProgram(ctx, refresh, zoompkce.Resource{Origin: issuer}); !errors.Is(err, zoompkce.ErrWrongResource) {
			w.Errorf("refreshed for another resource: %v", err)
		}
		fresh, err := p.RefreshProgram(ctx, refresh, zoompkce.Resource{Origin: "https://other.example", HasPath: true})
		if err != nil {
			w.Fatal(err)
		}
		if s, err = p.ProgramSession(ctx, "https://other.example", fresh.AccessToken); err != nil || s.ForWholeSite() {
			w.Errorf("narrowed: %v", err)
		}
		if _, err := p.RefreshSession(ctx, "https://third.example", fresh.RefreshToken, appClient.Hash); err == nil {
			w.Error("refreshed elsewhere")
		}
	})
}

// What records hold is read by older versions as long as there are no programs,
// and a program costs little.
func TestMaxPrograms(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.MaxPrograms, c.TokenLifetime = 3, 100*time.Hour }))
		b := p.signIn("ada")
		var all []*zoompkce.ProgramTokens
		for range 3 {
			all = append(all, p.program(b))
			time.Sleep(time.Second)
		}
		time.Sleep(25 * time.Hour)
		p.in(all[0]) // on a later day than the others
		synctest.Wait()
		b = p.signIn("ada")
		all = append(all, p.program(b), p.program(b))
		for i, in := range []bool{true, false, false, true, true} {
			if _, err := p.ProgramSession(ctx, issuer, all[i].AccessToken); (err == nil) != in {
				w.Errorf("program %d: %v", i, err)
			}
		}
		list, err := p.Programs(ctx, p.session(b))
		if len(list) != 3 || err != nil {
			w.Errorf("%d programs, %v", len(list), err)
		}
	})
}

func TestOneProgram(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.MaxPrograms = 1 }))
		b := p.signIn("ada")
		first := p.program(b)
		time.Sleep(time.Second)
		p.in(p.program(b))
		if reason := p.out(first); reason != "ended" {
			w.Errorf("the first is %s", reason)
		}
	})
}

func TestRecordsWithPrograms(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.MaxPrograms = 30 }))
		b := p.signIn("ada")
		key := w.store.only(t)
		size := func(format byte) int {
			w.Helper()
			synctest.Wait()
			value, _, err := w.store.Load(ctx, key)
			if err != nil || value[0] != format {
				w.Fatalf("format %d, not %d: %v", value[0], format, err)
			}
			return len(value)
		}
		empty := size(1)
		s := p.session(b)
		a := authorization
		a.Client.Name = strings.Repeat("\"<Ä>\"", 30)
		a.Client.Redirect = strings.Repeat("sub.", 50) + "example.com"
		a.Client.Document = zoompkce.HashClientID("example.com")
		var ids []string
		for n := range 20 {
			code, err := p.AllowProgram(ctx, s, p.consented(b), a)
			if err != nil {
				w.Fatal(err)
			}
			tokens, err := p.RedeemCode(ctx, redemption(code))
			if err != nil {
				w.Fatal(err)
			}
			program, _ := p.in(tokens).Program()
			if !program.Client.KeptRedirect(a.Client.Redirect) || program.Client.KeptRedirect("evil.example") ||
				!strings.HasPrefix(a.Client.Name, program.Client.Name) || len(program.Client.Name) < 30 {
				w.Errorf("%+v", program.Client)
			}
			ids = append(ids, program.ID)
			if cost := size(2) - empty; cost > (n+1)*200+20 {
				w.Fatalf("%d programs cost %d bytes", n+1, cost)
			}
		}
		for _, id := range ids {
			if err := p.EndProgram(ctx, s, id); err != nil {
				w.Fatal(err)
			}
		}
		if left := size(1); left > empty+20 {
			w.Errorf("%d bytes more are left", left-empty)
		}
	})
}

// With the store in trouble nothing is lost, and nobody is told that a token is
// dead.
func TestProgramsWithoutStore(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		code, tokens := p.allow(b), p.program(b)
		p.in(tokens)
		synctest.Wait()
		w.store.fail("any", -1)
		trouble := func(what string, err error) {
			w.Helper()
			if !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("%s: %v", what, err)
			}
		}
		_, err := p.RedeemCode(ctx, redemption(code))
		trouble("redeeming", err)
		_, err = p.refreshProgram(tokens)
		trouble("refreshing", err)
		_, err = p.AllowProgram(ctx, p.session(b), p.consented(b), authorization)
		trouble("allowing", err)
		trouble("revoking", p.RevokeProgram(ctx, issuer, tokens.AccessToken, appClient.Hash))
		p.in(tokens) // memory knows it
		q := w.process(withPrograms)
		_, err = q.ProgramSession(ctx, issuer, tokens.AccessToken)
		trouble("elsewhere", err)
		w.store.heal()
		time.Sleep(10 * time.Second)
		q.in(tokens)
		p.in(p.refreshed(tokens))
		if _, err := p.RedeemCode(ctx, redemption(code)); err != nil {
			w.Errorf("the code is lost: %v", err)
		}
		if _, err := q.refreshProgram(tokens); err != nil {
			w.Errorf("the refresh token is lost: %v", err)
		}
	})
}

// A request of a program costs no more than one of a browser.
func TestProgramAllocations(t *testing.T) {
	w := newWorld(t)
	w.T = t
	p := w.process(withPrograms, func(c *zoompkce.ManagerConfig) { c.SyncInterval = time.Hour })
	b := p.signIn("ada")
	tokens, header := p.program(b), b.header()
	p.in(tokens)
	p.Drain() // the use is noted
	cookie := testing.AllocsPerRun(1000, func() { _, _ = p.Session(ctx, header) })
	bearer := testing.AllocsPerRun(1000, func() { _, _ = p.ProgramSession(ctx, issuer, tokens.AccessToken) })
	if bearer > cookie {
		t.Errorf("%v allocations for a program, %v for a browser", bearer, cookie)
	}
}

// A sign-in that a program began leads back to its request, and to nothing else.
func TestProgramFlow(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := newBrowser()
		request := "client_id=app&state=" + strings.Repeat("s", 1280)
		l, cookies, err := p.BeginLogin(ctx, nil, zoompkce.LoginRequest{
			Flow: zoompkce.ProgramFlow, RedirectURI: callbackURI, ReturnURL: "/", Program: request,
		})
		if err != nil {
			w.Fatal(err)
		}
		b.set(cookies...)
		for _, c := range cookies {
			if len(fmt.Sprint(c)) > 4096 {
				w.Errorf("a cookie of %d bytes", len(fmt.Sprint(c)))
			}
		}
		state := stateOf(l)
		for _, flow := range []zoompkce.Flow{zoompkce.BrowserFlow, zoompkce.AppFlow} {
			if _, err := p.PendingLogin(ctx, b.header(), flow, state); !errors.Is(err, zoompkce.ErrLoginUnknown) {
				w.Errorf("redeemed as %s: %v", flow, err)
			}
		}
		again, err := p.PendingLogin(ctx, b.header(), zoompkce.ProgramFlow, state)
		if err != nil || again.Program != request {
			w.Fatalf("%+v, %v", again, err)
		}
		if err := p.finish(b, again, p.consent(again, "ada")); err != nil {
			w.Fatal(err)
		}
		p.program(b)
	})
}

// What ends a program ends it, whether its client waits or not, and though the store has gone
// back to when nobody had come for its tokens.
func TestRevocation(t *testing.T) {
	t.Run("of a client that goes away", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			tokens := p.program(p.signIn("ada"))
			gone, leave := contextWithCancel()
			leave()
			w.store.add(storeRule{op: "load", times: 1, delay: time.Millisecond})
			w.must(p.RevokeProgram(gone, issuer, tokens.AccessToken, appClient.Hash))
			p.out(tokens)
		})
	})
	t.Run("where the store has its code only", func(t *testing.T) {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			code := p.allow(p.signIn("ada"))
			key := w.store.only(t)
			old, _, err := w.store.Load(ctx, key)
			w.must(err)
			tokens, err := p.RedeemCode(ctx, redemption(code))
			w.must(err)
			_, err = w.store.Swap(ctx, key, w.store.version(key), old, time.Now().Add(time.Hour))
			w.must(err)
			q := w.process(withPrograms)
			w.must(q.RevokeProgram(ctx, issuer, tokens.AccessToken, appClient.Hash))
			_, err = q.RedeemCode(ctx, redemption(code))
			q.invalid(err, "expired")
		})
	})
}

func TestMaxProgramsByDefault(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		first := p.program(b)
		time.Sleep(time.Second)
		second := p.program(b)
		for range 19 {
			time.Sleep(time.Second)
			p.program(b)
		}
		p.in(second)
		p.out(first)
	})
}
