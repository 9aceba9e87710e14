package zoompkce_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// untilMidnight sleeps until five minutes before it.
func untilMidnight() {
	time.Sleep(time.Until(time.Now().Add(5 * time.Minute).Truncate(24 * time.Hour).Add(24*time.Hour - 5*time.Minute)))
}

// The rules of rotation, in the order in which tokens come.
func TestGenerations(t *testing.T) {
	type tokens = *zoompkce.ProgramTokens
	tests := map[string]struct {
		play func(p *process, first tokens) (last tokens, refused error)
		ends bool
	}{
		"one after the other": {func(p *process, t tokens) (tokens, error) {
			for range 5 {
				time.Sleep(2 * time.Hour)
				t = p.refreshed(t)
				p.in(t)
			}
			return t, nil
		}, false},
		"twice within a minute, though the answer was used": {func(p *process, t tokens) (tokens, error) {
			fresh := p.refreshed(t)
			p.in(fresh)
			time.Sleep(59 * time.Second)
			again := p.refreshed(t)
			if !again.Expiry.Equal(fresh.Expiry) {
				p.Errorf("other times: %v, %v", again.Expiry, fresh.Expiry)
			}
			return again, nil
		}, false},
		"twice, much later, since the answer was lost": {func(p *process, t tokens) (tokens, error) {
			fresh := p.refreshed(t)
			time.Sleep(30 * time.Minute)
			again := p.refreshed(t)
			if !again.Expiry.Equal(fresh.Expiry) {
				p.Errorf("other times: %v, %v", again.Expiry, fresh.Expiry)
			}
			time.Sleep(time.Hour)
			again = p.refreshed(t)
			if !again.Expiry.Equal(time.Now().Add(time.Hour)) {
				p.Errorf("the answer is of no use: %v", again.Expiry)
			}
			return again, nil
		}, false},
		"twice, much later, and again right after that answer was used": {func(p *process, t tokens) (tokens, error) {
			p.refreshed(t)
			time.Sleep(2 * time.Hour)
			again := p.refreshed(t)
			p.in(again)
			synctest.Wait()
			_, err := p.refreshProgram(t)
			return again, err
		}, true},
		"twice, and the answer was lost, though the former access token was used on another day": {func(p *process, t tokens) (tokens, error) {
			untilMidnight()
			t = p.refreshed(t)
			p.refreshed(t)
			time.Sleep(10 * time.Minute)
			p.in(t)
			synctest.Wait()
			return p.refreshed(t), nil
		}, false},
		"twice, and the answer was used, though the former access token was used on another day": {func(p *process, t tokens) (tokens, error) {
			untilMidnight()
			t = p.refreshed(t)
			fresh := p.refreshed(t)
			p.in(fresh)
			time.Sleep(10 * time.Minute)
			p.in(t)
			synctest.Wait()
			_, err := p.refreshProgram(t)
			return fresh, err
		}, true},
		"twice after a minute, and the answer was used": {func(p *process, t tokens) (tokens, error) {
			fresh := p.refreshed(t)
			p.in(fresh)
			time.Sleep(time.Minute)
			_, err := p.refreshProgram(t)
			return fresh, err
		}, true},
		"the same right after another generation": {func(p *process, t tokens) (tokens, error) {
			fresh := p.refreshed(t)
			p.in(fresh)
			synctest.Wait()
			last := p.refreshed(fresh)
			p.in(last)
			time.Sleep(time.Minute)
			_, err := p.refreshProgram(fresh)
			return last, err
		}, true},
		"one before the last, at once": {func(p *process, t tokens) (tokens, error) {
			fresh := p.refreshed(p.refreshed(t))
			_, err := p.refreshProgram(t)
			return fresh, err
		}, true},
		"the answer's refresh token counts as use, too": {func(p *process, t tokens) (tokens, error) {
			second := p.refreshed(t)
			third := p.refreshed(second)
			p.in(third)
			time.Sleep(2 * time.Minute)
			_, err := p.refreshProgram(second)
			return third, err
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process(withPrograms)
				b := p.signIn("ada")
				stays := p.program(b)
				last, err := test.play(p, p.program(b))
				if !test.ends {
					p.in(last)
					p.in(p.refreshed(last))
				} else {
					p.invalid(err, "replayed")
					if reason := p.out(last); reason != "ended" {
						w.Errorf("dead: %s", reason)
					}
					if outcomes := p.outcomes(zoompkce.EventProgramEnded); len(outcomes) != 1 || outcomes[0] != "refresh_replayed" {
						w.Errorf("told of %v", outcomes)
					}
				}
				if _, err := p.refreshProgram(stays); err != nil {
					w.Errorf("another program: %v", err)
				}
			})
		})
	}
}

// An access token of an older generation is good for its time.
func TestOlderAccessToken(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		time.Sleep(30 * time.Minute)
		fresh := p.refreshed(tokens)
		p.in(tokens)
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		p.in(p.refreshed(tokens)) // which was no use of the new generation
		p.in(fresh)
	})
}

// A thousand requests that spend one refresh token get one generation.
func TestParallelRefreshes(t *testing.T) {
	for name, processes := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				var all []*process
				for range processes {
					all = append(all, w.process(withPrograms))
				}
				first := all[0].program(all[0].signIn("ada"))
				results := make([]*zoompkce.ProgramTokens, 1000)
				var wg sync.WaitGroup
				for i := range results {
					wg.Go(func() {
						fresh, err := all[i%processes].refreshProgram(first)
						if err != nil {
							w.Errorf("refresh %d: %v", i, err)
							return
						}
						results[i] = fresh
						all[(i+1)%processes].in(fresh)
					})
				}
				wg.Wait()
				turns := 0
				for _, p := range all {
					for _, outcome := range p.outcomes(zoompkce.EventProgramRefresh) {
						if outcome == "ok" {
							turns++
						}
					}
					if ended := p.outcomes(zoompkce.EventProgramEnded); len(ended) > 0 {
						w.Errorf("ended: %v", ended)
					}
				}
				if turns != 1 {
					w.Errorf("%d successor generations", turns)
				}
				// Any of them leads on, and then the first one does not any more.
				last := all[0].refreshed(results[500])
				all[0].in(last)
				_, err := all[0].refreshProgram(first)
				all[0].invalid(err, "replayed")
			})
		})
	}
}

// A refresh that the store answers when its client was told to come again makes no thief of it.
func TestLateRefreshOfAProgram(t *testing.T) {
	for _, op := range []string{"load", "swap"} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(w *world) {
				p, q := w.process(withPrograms), w.process(withPrograms)
				tokens := p.program(p.signIn("ada"))
				p.in(tokens)
				synctest.Wait()
				late := w.store.hold(op, false)
				if _, err := p.refreshProgram(tokens); !errors.As(err, new(*zoompkce.StoreError)) {
					w.Errorf("the late refresh: %v", err)
				}
				last := q.refreshed(q.refreshed(tokens))
				close(late.release)
				synctest.Wait()
				if got := p.outcomes(zoompkce.EventProgramRefresh); len(got) > 0 {
					w.Errorf("told of %q", got)
				}
				q.in(last)
				_, err := p.refreshProgram(tokens)
				p.invalid(err, "replayed")
			})
		})
	}
}

// A swap that was made though the store answered with an error is the first of
// two refreshes.
func TestRefreshWithoutAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		synctest.Wait()
		w.store.failAfter("swap", 1)
		if _, err := p.refreshProgram(tokens); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Fatalf("%v", err)
		}
		time.Sleep(10 * time.Minute)
		swaps := w.store.counted("swap")
		fresh := p.refreshed(tokens)
		if n := w.store.counted("swap") - swaps; n != 0 {
			w.Errorf("%d writes", n)
		}
		p.in(fresh)
		if outcomes := p.outcomes(zoompkce.EventProgramRefresh); len(outcomes) != 1 || outcomes[0] != "repeated" {
			w.Errorf("told of %v", outcomes)
		}
	})
}

// A client that goes away loses nothing, and one that waits does not wait for ever.
func TestRefreshThatIsNotWaitedFor(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		synctest.Wait()
		s, err := p.RefreshSession(ctx, issuer, tokens.RefreshToken, appClient.Hash)
		if err != nil {
			w.Fatal(err)
		}
		w.store.hang("swap")
		gone, cancel := contextWithCancel()
		cancel()
		if _, err := p.RefreshProgram(gone, s, zoompkce.Resource{}); !errors.As(err, new(*zoompkce.StoreError)) || err.Error() == "" {
			w.Errorf("the client is gone: %v", err)
		}
		w.took(2*time.Second, func() {
			if _, err := p.RefreshProgram(ctx, s, zoompkce.Resource{}); !errors.As(err, new(*zoompkce.StoreError)) {
				w.Errorf("the store hangs: %v", err)
			}
		})
		w.store.heal()
		time.Sleep(10 * time.Second)
		p.in(p.refreshed(tokens))
	})
}

// Only its client may spend a refresh token, and a refused try spends nothing.
func TestRefreshOfAnotherClient(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.program(p.signIn("ada"))
		for name, test := range map[string]struct {
			token  string
			client string
			reason string
		}{
			"another client":  {tokens.RefreshToken, "other", "of another client"},
			"an access token": {tokens.AccessToken, "app", "unopenable"},
			"garbage":         {"garbage", "app", "unopenable"},
		} {
			_, err := p.RefreshSession(ctx, issuer, test.token, zoompkce.HashClientID(test.client))
			w.Log(name)
			p.invalid(err, test.reason)
		}
		p.in(p.refreshed(tokens))
	})
}

// What operators hear of a program names whose it is, from its beginning to its end.
func TestEventsOfAProgram(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		tokens := p.refreshed(p.program(p.signIn("ada")))
		w.must(p.RevokeProgram(ctx, issuer, tokens.AccessToken, appClient.Hash))
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		told := map[zoompkce.EventKind]bool{}
		for _, e := range p.events {
			told[e.Kind] = true
			if e.UserID != "ada" {
				w.Errorf("%s of %q", e.Kind, e.UserID)
			}
			if of := e.Kind == zoompkce.EventProgramAllowed || e.Kind == zoompkce.EventProgramEnded; of && (e.Client == nil || *e.Client != appClient) {
				w.Errorf("%s of %+v", e.Kind, e.Client)
			}
		}
		if !told[zoompkce.EventProgramAllowed] || !told[zoompkce.EventProgramRefresh] || !told[zoompkce.EventProgramEnded] {
			w.Errorf("told of %v", told)
		}
	})
}

// A program is revoked where its tokens come from, or are for, and nowhere else.
func TestRevocationElsewhere(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(withPrograms)
		b := p.signIn("ada")
		const api = "https://api.example"
		at := authorization
		at.Resource = zoompkce.Resource{Origin: api}
		for name, test := range map[string]struct {
			issuer string
			known  bool
		}{"the issuer": {issuer, true}, "the resource": {api, true}, "another": {"https://other.example", false}} {
			code, err := p.AllowProgram(ctx, p.session(b), p.consented(b), at)
			w.must(err)
			tokens, err := p.RedeemCode(ctx, redemption(code))
			w.must(err)
			err = p.RevokeProgram(ctx, test.issuer, tokens.RefreshToken, appClient.Hash)
			if test.known && err != nil || !test.known && !errors.Is(err, zoompkce.ErrUnknownToken) {
				w.Errorf("at %s: %v", name, err)
			}
			_, err = p.RefreshSession(ctx, issuer, tokens.RefreshToken, appClient.Hash)
			if ended := err != nil; ended != test.known {
				w.Errorf("at %s: %v", name, err)
			}
		}
	})
}
