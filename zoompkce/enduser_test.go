package zoompkce_test

import (
	"errors"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// A message of the past is about the past: who has come back since may stay,
// however late or often it is delivered.
func TestEndUserOfAnOldEvent(t *testing.T) {
	for name, before := range map[string]func(w *world, p *process, event time.Time){
		"a user who is not here":    func(*world, *process, time.Time) {},
		"a user with a session":     func(_ *world, p *process, _ time.Time) { p.signIn("ada") },
		"the message came before":   func(w *world, p *process, event time.Time) { w.end(p, event) },
		"an operator was there too": func(w *world, p *process, _ time.Time) { w.end(p, time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				event := time.Now().Add(time.Minute)
				before(w, p, event)
				time.Sleep(2 * time.Minute)
				b := newBrowser()
				l, code := p.begin(b, "ada")
				time.Sleep(10 * time.Second)
				w.end(p, event)
				w.must(p.finish(b, l, code))
				w.end(p, event)
				p.works(b)
			})
		})
	}
}

// What was begun before the event is over, also where there is no record yet.
func TestEndUserStopsASignInUnderWay(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		b := newBrowser()
		l, code := p.begin(b, "ada")
		time.Sleep(time.Second)
		gate := w.zoom.Hold(zoomtest.CallMe, zoomtest.After)
		done := async(func() error { return p.finish(b, l, code) })
		<-gate.Arrived()
		w.zoom.RevokeUser(w.app.ClientID, "ada")
		w.end(p, time.Now())
		gate.Release()
		if err := <-done; !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
			w.Errorf("the sign-in: %v", err)
		}
	})
}

// Where the login and the end are of one process, its clock tells which was first.
func TestEndUserStopsALoginOfThisProcess(t *testing.T) {
	for name, event := range map[string]time.Time{"an operator": {}, "a message": time.Now().Add(1000 * time.Hour)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				b := newBrowser()
				l, code := p.begin(b, "ada")
				time.Sleep(time.Second)
				w.end(p, event)
				if err := p.finish(b, mustFind(p, b, l), code); !errors.Is(err, zoompkce.ErrSignedOutMeanwhile) {
					w.Errorf("the sign-in: %v", err)
				}
				p.works(p.signIn("ada"))
			})
		})
	}
}

func (w *world) end(p *process, event time.Time) {
	if _, err := p.EndUser(ctx, "ada", event); err != nil {
		w.Error(err)
	}
}
