package zoompkce_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// A code counts for exactly what it was given for, and what is refused does not
// spend it (attack 7 of the design's list: unbound redirect URIs).
func TestCodesAreBound(t *testing.T) {
	tests := map[string]struct {
		change func(*zoompkce.CodeRedemption)
		reason string
	}{
		"another client":        {func(c *zoompkce.CodeRedemption) { c.Client = zoompkce.HashClientID("other") }, "of another client"},
		"another redirect URI":  {func(c *zoompkce.CodeRedemption) { c.RedirectURI += "/" }, "of another client"},
		"no redirect URI":       {func(c *zoompkce.CodeRedemption) { c.RedirectURI = "" }, "of another client"},
		"another verifier":      {func(c *zoompkce.CodeRedemption) { c.Verifier = strings.Repeat("a", 43) }, "with another verifier"},
		"no verifier":           {func(c *zoompkce.CodeRedemption) { c.Verifier = "" }, "with another verifier"},
		"the challenge itself":  {func(c *zoompkce.CodeRedemption) { c.Verifier = string(authorization.Challenge[:]) }, "with another verifier"},
		"another issuer":        {func(c *zoompkce.CodeRedemption) { c.Issuer = "https://other.example" }, "unopenable"},
		"a changed code":        {func(c *zoompkce.CodeRedemption) { c.Code += "A" }, "unopenable"},
		"no code":               {func(c *zoompkce.CodeRedemption) { c.Code = "" }, "unopenable"},
		"a code of another app": {func(c *zoompkce.CodeRedemption) { c.Code = "zpk_00000000" + c.Code[12:] }, "unopenable"},
		"a code without prefix": {func(c *zoompkce.CodeRedemption) { c.Code = c.Code[len("zpk_00000000_c_"):] }, "unopenable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(withPrograms)
				code := p.allow(p.signIn("ada"))
				c := redemption(code)
				test.change(&c)
				_, err := p.RedeemCode(ctx, c)
				p.invalid(err, test.reason)
				if _, err := p.RedeemCode(ctx, redemption(code)); err != nil {
					w.Errorf("the code is spent: %v", err)
				}
			})
		})
	}
}

// RFC 7636, section 4.1: what a verifier may be, and how long.
func TestVerifiers(t *testing.T) {
	for v, want := range map[string]bool{
		strings.Repeat("a", 42):  false,
		strings.Repeat("~", 43):  true,
		strings.Repeat(".", 128): true,
		strings.Repeat("a", 129): false,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~": true,
		strings.Repeat("a", 42) + "+":                                        false,
		strings.Repeat("a", 42) + "\x00":                                     false,
		strings.Repeat("a", 42) + "ä":                                        false,
	} {
		bubble(t, func(w *world) {
			p := w.process(withPrograms)
			b := p.signIn("ada")
			a := authorization
			a.Challenge = sha256.Sum256([]byte(v))
			code, err := p.AllowProgram(ctx, p.session(b), p.consented(b), a)
			if err != nil {
				w.Fatal(err)
			}
			c := redemption(code)
			c.Verifier = v
			if _, err := p.RedeemCode(ctx, c); (err == nil) != want {
				w.Errorf("%q: %v", v, err)
			}
		})
	}
}

func TestCodesAreSingleUse(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(withPrograms), w.process(withPrograms)
		b := p.signIn("ada")
		code, stays := p.allow(b), p.program(b)
		tokens, err := p.RedeemCode(ctx, redemption(code))
		if err != nil {
			w.Fatal(err)
		}
		p.in(tokens)
		_, err = q.RedeemCode(ctx, redemption(code))
		q.invalid(err, "replayed")
		if reason := q.out(tokens); reason != "ended" {
			w.Errorf("what the first use gave: %s", reason)
		}
		_, err = q.refreshProgram(tokens)
		q.invalid(err, "ended")
		_, err = q.RedeemCode(ctx, redemption(code))
		q.invalid(err, "expired")
		q.in(stays)
		if outcomes := q.outcomes(zoompkce.EventProgramEnded); len(outcomes) != 1 || outcomes[0] != "code_replayed" {
			w.Errorf("told of %v", outcomes)
		}
	})
}

func TestCodesLiveForAMinute(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		soon, late := p.allow(b), p.allow(b)
		time.Sleep(59 * time.Second)
		if _, err := p.RedeemCode(ctx, redemption(soon)); err != nil {
			w.Errorf("after 59 s: %v", err)
		}
		time.Sleep(time.Second)
		_, err := p.RedeemCode(ctx, redemption(late))
		p.invalid(err, "expired")
	})
}

// Codes that nobody comes for neither pile up nor take a program's place.
func TestWaitingCodes(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.MaxPrograms = 1 }))
		b := p.signIn("ada")
		tokens := p.program(b)
		first := p.allow(b)
		for range 4 {
			p.allow(b)
		}
		_, err := p.AllowProgram(ctx, p.session(b), p.consented(b), authorization)
		if !errors.Is(err, zoompkce.ErrTooManyCodes) {
			w.Errorf("the sixth: %v", err)
		}
		p.in(tokens)
		if _, err := p.RedeemCode(ctx, redemption(first)); err != nil {
			w.Errorf("the first: %v", err)
		}
		p.allow(b)
		other := p.signIn("bob")
		p.allow(other)
		time.Sleep(time.Minute)
		for range 5 {
			p.allow(b)
		}
	})
}

// Attacks 2 and 3 of the design's list: a consent counts for the session that saw
// the page, at the issuer of the page, for five minutes, and for one program.
func TestConsents(t *testing.T) {
	bubble(t, func(w *world) {
		p, q := w.process(withPrograms), w.process(withPrograms)
		b, again, other := p.signIn("ada"), p.signIn("ada"), p.signIn("bob")
		s := p.session(b)
		value, err := p.SealConsent(ctx, s, issuer, "request")
		if err != nil {
			w.Fatal(err)
		}
		open := func(s *zoompkce.Session, issuer, value string) error {
			_, err := q.OpenConsent(ctx, s, issuer, value)
			return err
		}
		program := p.in(p.program(b))
		for name, err := range map[string]error{
			"another user":    open(p.session(other), issuer, value),
			"another browser": open(p.session(again), issuer, value),
			"a program":       open(program, issuer, value),
			"another issuer":  open(s, "https://other.example", value),
			"a changed value": open(s, issuer, value[:len(value)-1]),
			"no value":        open(s, issuer, ""),
			"a code":          open(s, issuer, p.allow(b)),
		} {
			if !errors.Is(err, zoompkce.ErrConsentExpired) {
				w.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(5 * time.Minute)
		c, err := q.OpenConsent(ctx, s, issuer, value)
		if err != nil || c.Request != "request" {
			w.Fatalf("after 5 minutes: %v", err)
		}
		time.Sleep(time.Second)
		if err := open(s, issuer, value); !errors.Is(err, zoompkce.ErrConsentExpired) {
			w.Errorf("later: %v", err)
		}

		// Pressed twice: one program.
		first, err := p.AllowProgram(ctx, s, c, authorization)
		if err != nil {
			w.Fatal(err)
		}
		swaps := w.store.counted("swap")
		second, err := q.AllowProgram(ctx, q.session(b), c, authorization)
		if err != nil || w.store.counted("swap") != swaps {
			w.Fatalf("%d writes, %v", w.store.counted("swap")-swaps, err)
		}
		if _, err := p.RedeemCode(ctx, redemption(second)); err != nil {
			w.Error(err)
		}
		if list, err := p.Programs(ctx, p.session(b)); len(list) != 2 || err != nil {
			w.Errorf("%d programs, %v", len(list), err)
		}
		if _, err := p.AllowProgram(ctx, s, c, authorization); !errors.Is(err, zoompkce.ErrConsentExpired) {
			w.Errorf("pressed after the program began: %v", err)
		}
		if first == second {
			w.Error("the same code twice")
		}
	})
}

// A code whose first use the store took, though it answered with an error, may be
// tried again, once.
func TestCodeWithoutAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		code := p.allow(p.signIn("ada"))
		w.store.failAfter("swap", 1)
		if _, err := p.RedeemCode(ctx, redemption(code)); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Fatal(err)
		}
		swaps, began := w.store.counted("swap"), time.Now()
		time.Sleep(10 * time.Second)
		tokens, err := p.RedeemCode(ctx, redemption(code))
		if err != nil || !tokens.Expiry.Equal(began.Add(time.Hour)) || w.store.counted("swap") != swaps {
			w.Fatalf("tried again: until %v, %d writes, %v", tokens.Expiry, w.store.counted("swap")-swaps, err)
		}
		p.in(tokens)
		_, err = p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "replayed")
	})
}

// Somebody else's use of a code is not taken for one that had no answer: a process that could
// not even read the record has not begun the program, and one that may have gives nothing to whoever comes
// when the tokens are in use, or the minute of the code is over.
func TestCodeOfSomebodyElse(t *testing.T) {
	for name, test := range map[string]struct {
		fails func(*testStore)
		then  func(*process, *zoompkce.ProgramTokens)
	}{
		"read in vain": {func(s *testStore) { s.fail("load", 1) }, nil},
		"in use": {func(s *testStore) { s.fail("swap", 1) }, func(p *process, tokens *zoompkce.ProgramTokens) {
			p.in(tokens)
			time.Sleep(time.Second)
		}},
		"over": {func(s *testStore) { s.fail("swap", 1) }, func(*process, *zoompkce.ProgramTokens) { time.Sleep(time.Minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(withPrograms), w.process(withPrograms)
				code := p.allow(p.signIn("ada"))
				test.fails(w.store)
				if _, err := q.RedeemCode(ctx, redemption(code)); !errors.As(err, new(*zoompkce.StoreError)) {
					w.Fatal(err)
				}
				tokens, err := p.RedeemCode(ctx, redemption(code))
				if err != nil {
					w.Fatal(err)
				}
				if test.then != nil {
					test.then(p, tokens)
				}
				_, err = q.RedeemCode(ctx, redemption(code))
				q.invalid(err, "replayed")
			})
		})
	}
}

// Between consent and redemption the client may be taken out, or the grant die.
func TestCodeThatCameTooLate(t *testing.T) {
	bubble(t, func(w *world) {
		lives := true
		p := w.process(programs(func(c *zoompkce.ProgramConfig) { c.Lives = func(zoompkce.ProgramClient) bool { return lives } }))
		b := p.signIn("ada")
		code := p.allow(b)
		lives = false
		_, err := p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "ended")
		lives = true
		if _, err := p.RedeemCode(ctx, redemption(code)); err != nil {
			w.Errorf("after the mistake: %v", err)
		}
		time.Sleep(time.Hour)
		code = p.allow(b)
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		if _, err := p.AccessToken(ctx, p.session(b)); err == nil {
			w.Fatal("the grant lives")
		}
		_, err = p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "ended")
		if _, err := p.EndUser(ctx, "ada", time.Time{}); err != nil {
			w.Fatal(err)
		}
		_, err = p.RedeemCode(ctx, redemption(code))
		p.invalid(err, "expired")
	})
}

// A session that has ended meanwhile allows nothing.
func TestConsentOfAnEndedSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b, _ := p.signIn("ada"), p.signIn("ada")
		s, c := p.session(b), p.consented(b)
		if err := p.SignOut(ctx, b.header()); err != nil {
			w.Fatal(err)
		}
		if _, err := p.AllowProgram(ctx, s, c, authorization); !errors.As(err, new(*zoompkce.NoSessionError)) {
			w.Errorf("%v", err)
		}
	})
}

// The grant lives as long as a program does, and then a code that nobody has come for
// may still be redeemed.
func TestSignOutLeavesProgramsAndCodes(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		tokens, code := p.program(b), p.allow(b)
		w.must(p.SignOut(ctx, b.header()))
		p.in(tokens)
		if _, err := p.RedeemCode(ctx, redemption(code)); err != nil {
			w.Errorf("the code: %v", err)
		}
	})
}

// Each sealed value is as long as what it holds: nothing may be added to it, or taken
// off, at any length.
func TestSealedValuesAreWhole(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		for n := range 4 {
			id, err := p.SealClientID(ctx, issuer, []byte("name"[:n]))
			w.must(err)
			if got, err := p.OpenClientID(ctx, issuer, id); string(got) != "name"[:n] || err != nil {
				w.Errorf("%q, %v", got, err)
			}
			prefix := p.TokenPrefix() + "i_"
			for _, other := range []string{"", prefix, strings.TrimPrefix(id, prefix), id + "!", id + "A", id[:len(id)-1], prefix + "!"} {
				if got, err := p.OpenClientID(ctx, issuer, other); !errors.Is(err, zoompkce.ErrUnknownToken) {
					w.Errorf("%s for %s: %q, %v", other, id, got, err)
				}
			}
		}
		s := p.session(p.signIn("ada"))
		long, err := p.SealConsent(ctx, s, issuer, strings.Repeat("x", 4096))
		w.must(err)
		if _, err := p.OpenConsent(ctx, s, issuer, long); !errors.Is(err, zoompkce.ErrConsentExpired) {
			w.Errorf("longer than a request can be: %v", err)
		}
		later := p.SealLaterToken(s)
		if reason := p.dead(issuer, later); reason != "unopenable" {
			w.Errorf("a token of a later version: %s", reason)
		}
	})
}

// A page that another process has sealed under a newer generated secret is not too old.
func TestConsentUnderANewerSecret(t *testing.T) {
	for name, before := range map[string]func(*process){
		"":           func(*process) { time.Sleep(2 * time.Second) },
		", too soon": func(q *process) { q.dead(issuer, q.TokenPrefix()+"a_garbage") },
	} {
		t.Run("which counts"+name, func(t *testing.T) {
			bubble(t, func(w *world) {
				generated := secrets()
				p, q := w.process(generated, withPrograms), w.process(generated, withPrograms)
				b := p.signIn("ada")
				q.works(b)
				time.Sleep(2 * time.Second)
				before(q)
				w.wipe("/secret")
				w.process(generated).signIn("bob")
				p.signIn("bob") // takes the newer secret
				page, err := p.SealConsent(ctx, p.session(b), issuer, "request")
				w.must(err)
				if name == "" {
					w.store.fail("load", 1)
					if _, err := q.OpenConsent(ctx, q.session(b), issuer, page); !errors.As(err, new(*zoompkce.StoreError)) {
						w.Errorf("in trouble: %v", err)
					}
				}
				if c, err := q.OpenConsent(ctx, q.session(b), issuer, page); err != nil || c.Request != "request" {
					w.Errorf("%+v, %v", c, err)
				}
			})
		})
	}
}
