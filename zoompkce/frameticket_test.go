package zoompkce_test

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// ticket is one for a frame, issued to the browser's session.
func (p *process) ticket(b *browser) string {
	p.Helper()
	ticket, err := p.FrameTicket(ctx, p.session(b))
	if err != nil {
		p.Fatal(err)
	}
	return ticket
}

// redeem has a frame, whose cookies are apart, redeem a ticket.
func (p *process) redeem(frame *browser, ticket string) error {
	t, err := p.OpenFrameTicket(ctx, ticket)
	if err != nil {
		return err
	}
	in, err := p.RedeemFrameTicket(ctx, t, frame.header())
	if err == nil {
		frame.set(in.Cookie)
	}
	return err
}

func (p *process) mustRedeem(frame *browser, ticket string) {
	p.Helper()
	if err := p.redeem(frame, ticket); err != nil {
		p.Fatalf("redeeming: %v", err)
	}
}

func TestFrameTicket(t *testing.T) {
	bubble(t, func(w *world) {
		issuer, p := w.process(), w.process()
		window, frame := issuer.signIn("ada"), newBrowser()
		p.mustRedeem(frame, issuer.ticket(window))
		if n := len(p.outcomes(zoompkce.EventSignedIn)); n != 1 {
			w.Errorf("told of %d sign-ins", n)
		}
		if got := p.session(frame); got.Profile().ID != "ada" || !got.Framed() {
			w.Errorf("the frame's session: %+v, framed %v", got.Profile(), got.Framed())
		}
		if p.session(window).Framed() {
			w.Error("the window's session passes for a frame's")
		}
		if _, err := p.FrameTicket(ctx, p.session(frame)); !errors.Is(err, zoompkce.ErrTicketRefused) {
			w.Errorf("a frame's session asks for a ticket: %v", err)
		}
		if a, b := issuer.works(window), p.works(frame); a != b {
			w.Error("the frame has another grant than the window")
		}
		// Each signs out by itself.
		if err := p.SignOut(ctx, window.header()); err != nil {
			w.Fatal(err)
		}
		p.works(frame)
		if err := p.SignOut(ctx, frame.header()); err != nil {
			w.Fatal(err)
		}
		p.signedOut(frame)
		if n := w.live(); n != 0 {
			w.Errorf("%d tokens live on", n)
		}
	})
}

// A session that is renewed stays that of a frame.
func TestFramedSessionIsRenewedAsSuch(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxLifetime = 30 * time.Hour })
		window, frame := p.signIn("ada"), newBrowser()
		time.Sleep(10 * time.Hour)
		p.mustRedeem(frame, p.ticket(window))
		time.Sleep(15 * time.Hour)
		cookie, err := p.Renew(ctx, p.session(frame))
		if err != nil || cookie == nil {
			w.Fatal(cookie, err)
		}
		frame.set(cookie)
		if !p.session(frame).Framed() {
			w.Error("the renewed session is not a frame's any more")
		}
		// It lasts no longer than the sign-in that it comes from.
		time.Sleep(5 * time.Hour)
		p.signedOut(frame)
	})
}

func TestFrameTicketIsUsedOnce(t *testing.T) {
	bubble(t, func(w *world) {
		processes := []*process{w.process(), w.process(), w.process()}
		window := processes[0].signIn("ada")
		ticket := processes[0].ticket(window)
		errs := make(chan error, 12)
		var wait sync.WaitGroup
		for n := range cap(errs) {
			wait.Go(func() { errs <- processes[n%len(processes)].redeem(newBrowser(), ticket) })
		}
		wait.Wait()
		close(errs)
		opened := 0
		for err := range errs {
			switch {
			case err == nil:
				opened++
			case !errors.Is(err, zoompkce.ErrTicketOver):
				w.Error(err)
			}
		}
		if opened != 1 {
			w.Errorf("a ticket opened %d sessions", opened)
		}
	})
}

// A frame that has signed out is not signed in again with the ticket it came by, in
// whichever process.
func TestFrameTicketIsUsedUpAfterSignOut(t *testing.T) {
	bubble(t, func(w *world) {
		p, other := w.process(), w.process()
		window, frame := p.signIn("ada"), newBrowser()
		ticket := p.ticket(window)
		p.mustRedeem(frame, ticket)
		if err := p.SignOut(ctx, frame.header()); err != nil {
			w.Fatal(err)
		}
		if err := other.redeem(newBrowser(), ticket); !errors.Is(err, zoompkce.ErrTicketOver) {
			w.Errorf("a second use: %v", err)
		}
	})
}

func TestFrameTicketExpires(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		window := p.signIn("ada")
		early, late := p.ticket(window), p.ticket(window)
		time.Sleep(zoompkce.FrameTicketLifetime - time.Second)
		p.mustRedeem(newBrowser(), early)
		time.Sleep(2 * time.Second)
		if err := p.redeem(newBrowser(), late); !errors.Is(err, zoompkce.ErrTicketOver) {
			w.Errorf("after its time: %v", err)
		}
	})
}

// Nor does a ticket outlast the time that its session may last.
func TestFrameTicketOfAnExpiredSession(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxLifetime = time.Hour })
		window := p.signIn("ada")
		time.Sleep(time.Hour - 30*time.Second)
		ticket := p.ticket(window)
		time.Sleep(30 * time.Second)
		err := p.redeem(newBrowser(), ticket)
		if none, _ := errors.AsType[*zoompkce.NoSessionError](err); none == nil || none.Reason != "expired" {
			w.Errorf("%v", err)
		}
	})
}

// A ticket is worth nothing once its session has ended, also where this process does not
// know of the end yet.
func TestFrameTicketEndsWithItsSession(t *testing.T) {
	bubble(t, func(w *world) {
		p, other := w.process(), w.process()
		window := p.signIn("ada")
		p.signIn("ada") // so that the grant stays
		ticket, known := p.ticket(window), p.ticket(window)
		other.mustRedeem(newBrowser(), known)
		if err := p.SignOut(ctx, window.header()); err != nil {
			w.Fatal(err)
		}
		for name, q := range map[string]*process{"the process": p, "another": other} {
			if err := q.redeem(newBrowser(), ticket); !errors.As(err, new(*zoompkce.NoSessionError)) {
				w.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A browser that keeps a frame's cookies with the others has the session already. What
// else the frame presents is replaced.
func TestFrameTicketAndFormerSessions(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		window := p.signIn("ada")
		ticket := p.ticket(window)
		p.mustRedeem(window, ticket)
		if p.session(window).Framed() {
			w.Error("the window's own session became a frame's")
		}

		for _, user := range []string{"ada", "bob"} {
			former := p.signIn(user)
			frame := &browser{maps.Clone(former.cookies)}
			p.mustRedeem(frame, p.ticket(window))
			time.Sleep(time.Second)
			p.signedOut(former)
			w.process().signedOut(former)
			if got := p.session(frame); got.Profile().ID != "ada" || !got.Framed() {
				w.Errorf("after %s the frame is %s's", user, got.Profile().ID)
			}
		}
		p.works(window)
	})
}

func TestNoFrameTicket(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		window := p.signIn("ada")
		ticket := p.ticket(window)
		flipped := []byte(ticket)
		flipped[len(flipped)/2] ^= 1
		foreign := w.process(func(c *zoompkce.ManagerConfig) { c.Secrets = [][]byte{secondSecret} })
		for name, value := range map[string]string{
			"none": "", "nonsense": "%", "something behind it": ticket + "%", "too short": ticket[:20], "changed": string(flipped), "long": strings.Repeat("A", 1<<20),
			"of a later version": p.SealLaterTicket(p.session(window)),
			"a session cookie":   window.cookies[p.SessionCookieName()],
		} {
			if err := p.redeem(newBrowser(), value); !errors.Is(err, zoompkce.ErrNoTicket) {
				w.Errorf("%s: %v", name, err)
			}
		}
		if err := foreign.redeem(newBrowser(), ticket); !errors.Is(err, zoompkce.ErrNoTicket) {
			w.Errorf("another secret: %v", err)
		}
		// Nor is a ticket anything else.
		b := &browser{map[string]string{p.SessionCookieName(): ticket}}
		p.signedOut(b)
	})
}

// Trouble with the store is no verdict on the ticket, which is good afterwards.
func TestFrameTicketInStoreTrouble(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		window, frame := p.signIn("ada"), newBrowser()
		ticket := p.ticket(window)
		opened, err := p.OpenFrameTicket(ctx, ticket)
		if err != nil {
			w.Fatal(err)
		}
		w.store.fail("any", -1)
		if _, err := p.RedeemFrameTicket(ctx, opened, nil); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("with the store down: %v", err)
		}
		w.store.heal()
		w.store.fail("swap", 1) // that it is used
		if _, err := p.RedeemFrameTicket(ctx, opened, nil); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("when it cannot be noted as used: %v", err)
		}
		other := w.process(secrets())
		other.signIn("bob")
		w.store.fail("load", -1)
		if _, err := other.OpenFrameTicket(ctx, ticket); !errors.As(err, new(*zoompkce.StoreError)) {
			w.Errorf("of a secret that may be in the store: %v", err)
		}
		w.store.heal()
		p.mustRedeem(frame, ticket)
	})
}

// Each ticket that is redeemed leaves a note in the store. One user cannot fill it, nor
// keep others from their frames.
func TestShareOfFrameTickets(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process(func(c *zoompkce.ManagerConfig) { c.MaxSessions = 100 })
		window, other := p.signIn("ada"), p.signIn("bob")
		redeemed := func() (n int) {
			for range 200 {
				switch err := p.redeem(newBrowser(), p.ticket(window)); {
				case err == nil:
					n++
				case !errors.Is(err, zoompkce.ErrTooManyFrames):
					w.Fatal(err)
				}
			}
			return n
		}
		if n := redeemed(); n != 30 {
			w.Errorf("%d within a moment", n)
		}
		p.mustRedeem(newBrowser(), p.ticket(other))
		time.Sleep(time.Minute)
		if n := redeemed(); n != 30 {
			w.Errorf("%d a minute later", n)
		}
		p.works(window)
	})
}
