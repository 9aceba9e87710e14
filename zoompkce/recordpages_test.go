package zoompkce_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// A page of what does not open is no longer than a thousand, and the next goes on behind it.
func TestUnopenableRecordsByPages(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		empty, err := p.UnopenableRecords(ctx, "")
		if err != nil || empty.Unopenable == nil || len(empty.Secrets) != 1 {
			w.Errorf("%+v, %v", empty, err)
		}
		for i := range 1001 {
			key := fmt.Sprintf("zoom_pkce/%s/%02x/%02x%062x", zoomapi.AppID(w.zoom.URL, w.app.ClientID), i%256, i%256, i)
			_, err := w.store.Swap(ctx, key, "", []byte{1, 2, 3}, time.Time{})
			w.must(err)
		}
		first, err := p.UnopenableRecords(ctx, "")
		if err != nil || first.Looked != 1000 || len(first.Unopenable) != 1000 || first.Cursor == "" {
			w.Fatalf("%d looked at, %d found, cursor %q, %v", first.Looked, len(first.Unopenable), first.Cursor, err)
		}
		rest, err := p.UnopenableRecords(ctx, first.Cursor)
		if err != nil || rest.Looked != 1 || rest.Cursor != "" {
			w.Errorf("%d looked at, cursor %q, %v", rest.Looked, rest.Cursor, err)
		}
		if _, err := p.UnopenableRecords(ctx, first.Cursor+"!"); !errors.Is(err, zoompkce.ErrCursor) {
			w.Errorf("a cursor with something behind it: %v", err)
		}
	})
}

// A record that the store cannot read is one that does not open; a store in trouble has none to show.
func TestRecordsThatTheStoreDoesNotRead(t *testing.T) {
	for name, test := range map[string]struct {
		rule    storeRule
		trouble bool
	}{
		"one record":             {storeRule{err: errStoreDown}, false},
		"a closed store":         {storeRule{err: zoompkce.ErrStoreClosed}, true},
		"a broken connection":    {storeRule{err: &net.OpError{Op: "read", Err: errStoreDown}}, true},
		"a visitor who has gone": {storeRule{delay: time.Hour}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.process()
				p.signIn("ada")
				p.survey()
				test.rule.op, test.rule.times = "load", 1
				w.store.pass("load", 1) // a former secret
				w.store.add(test.rule)
				soon, leave := contextWithCancel()
				time.AfterFunc(time.Second, leave)
				page, err := p.UnopenableRecords(soon, "")
				if test.trouble {
					if !errors.As(err, new(*zoompkce.StoreError)) || page.Looked != 0 {
						w.Errorf("%+v, %v", page, err)
					}
					return
				}
				if err != nil || len(page.Unopenable) != 1 || page.Unopenable[0].Reason != errStoreDown.Error() || page.Unopenable[0].KeyID != "" {
					w.Errorf("%+v, %v", page, err)
				}
			})
		})
	}
}

// A survey that could not list what is there, or read the secret, has not found that nothing is.
func TestSurveyOfAStoreThatDoesNotList(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.process()
		p.signIn("ada")
		w.store.fail("list", 1)
		if _, err := p.Survey(ctx, 100); !errors.Is(err, errStoreDown) {
			w.Errorf("%v", err)
		}
		w.store.fail("load", 1)
		if _, err := w.process(secrets()).Survey(ctx, 100); !errors.Is(err, errStoreDown) {
			w.Errorf("with the secret unread: %v", err)
		}
	})
}

// A generated secret beside the operator's own is one that they have moved away from only where nobody had
// signed in, or was ended, under their own when the process began: else others may have put it there.
func TestSecretBesideOneInUse(t *testing.T) {
	bubble(t, func(w *world) {
		own := secrets(firstSecret)
		p := w.process(own)
		time.Sleep(time.Hour)
		w.process(own).signIn("ada")
		w.end(w.process(own), time.Time{})
		w.process(own).signIn("bob")
		w.process(secrets()).begin(newBrowser(), "bob")
		if s := p.survey(); s.Former == "" {
			w.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := w.process(own).survey(); s.Former != "" {
			w.Errorf("%+v", s)
		}
	})
}
