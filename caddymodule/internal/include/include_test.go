package include_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/include"
)

// outer is a request that came over a connection.
func outer() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{}))
}

// madeOf is what templates makes of a request.
func madeOf(r *http.Request) *http.Request {
	made := httptest.NewRequest(http.MethodGet, "/fragment", nil)
	made.Header = r.Header.Clone()
	made.Header.Set("Caddy-Templates-Include", "1")
	return made
}

func TestKeyOpensWhatIsOffered(t *testing.T) {
	r := outer()
	offer := include.New("ada")
	offer.PutOn(r)
	for range 2 {
		if what, made := include.Of(madeOf(r)); what != "ada" || !made {
			t.Errorf("got %v, %t", what, made)
		}
	}
	if shown := fmt.Sprintf("%v %+v", offer, offer); shown != "[redacted] [redacted]" {
		t.Errorf("a log shows %s", shown)
	}
	offer.Change("bob")
	if what, _ := include.Of(madeOf(r)); what != "bob" {
		t.Errorf("after a change: %v", what)
	}
	inner := madeOf(r)
	nested := include.New("of the include")
	defer nested.Withdraw()
	nested.PutOn(inner)
	if what, _ := include.Of(madeOf(inner)); what != "of the include" {
		t.Errorf("nested: %v", what)
	}
	offer.Withdraw()
	if what, made := include.Of(madeOf(r)); what != nil || !made {
		t.Errorf("after the end: %v, %t", what, made)
	}
}

// An app may show what it received, and a client send it.
func TestKeyIsNothingOverAConnection(t *testing.T) {
	r := outer()
	offer := include.New("ada")
	defer offer.Withdraw()
	offer.PutOn(r)
	stolen := outer()
	stolen.Header = madeOf(r).Header
	if what, made := include.Of(stolen); what != nil || made {
		t.Errorf("got %v, %t", what, made)
	}
	for name, keys := range map[string][]string{
		"none": nil, "empty": {""}, "guessed": {"AAAAAAAAAAAAAAAAAAAAAAAAAA"}, "two": {r.Header.Get(include.Header), r.Header.Get(include.Header)},
	} {
		made := madeOf(outer())
		made.Header[include.Header] = keys
		if what, _ := include.Of(made); what != nil {
			t.Errorf("%s: %v", name, what)
		}
	}
	if _, made := include.Of(httptest.NewRequest(http.MethodGet, "/", nil)); made {
		t.Error("a request without connection and without a mark was taken for one made of another")
	}
}

// Includes of many requests at a time meet their own offer.
func TestOffersAreApart(t *testing.T) {
	var wg sync.WaitGroup
	for id := range 50 {
		wg.Go(func() {
			r := outer()
			offer := include.New(id)
			defer offer.Withdraw()
			offer.PutOn(r)
			for range 20 {
				wg.Go(func() { _, _ = include.Of(madeOf(outer())) })
				if what, _ := include.Of(madeOf(r)); what != id {
					t.Errorf("request %d got the offer of %v", id, what)
				}
			}
		})
	}
	wg.Wait()
}
