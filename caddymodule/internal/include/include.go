// Package include knows requests that Caddy makes of one it is serving, as
// `httpInclude` of `templates` does: they have a copy of its headers, its context
// they have not. What is known of a visitor is for others to know.
package include

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Header carries the key to an [Offer]. Apps see it and may show it to anybody: on a
// request that a client sends it opens nothing.
const Header = "X-Zoom-Pkce-Include"

// templatesHeader is on every request that `templates` makes.
const templatesHeader = "Caddy-Templates-Include"

// offers are those of the requests being served, by their keys: no more than
// there are requests.
var offers sync.Map

// Offer is what the requests that are made of one may know of it.
type Offer struct {
	key  string
	what atomic.Value
}

// New makes an offer, which has to be withdrawn. What is offered several
// requests may read at a time.
func New(what any) *Offer {
	o := &Offer{key: rand.Text()} // 130 bits
	o.what.Store(what)
	offers.Store(o.key, o)
	return o
}

// Format keeps placeholders and logs from printing the key.
func (*Offer) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

// Change offers something else of the same type.
func (o *Offer) Change(what any) { o.what.Store(what) }

// Withdraw makes the key worth nothing.
func (o *Offer) Withdraw() { offers.Delete(o.key) }

// PutOn gives the key to all requests that will be made of r.
func (o *Offer) PutOn(r *http.Request) { r.Header[Header] = []string{o.key} }

// Of reports whether Caddy made a request of another one, and returns what is offered by
// that. A request that came over a connection is a client's, whatever it carries.
func Of(r *http.Request) (what any, made bool) {
	if r.Context().Value(http.LocalAddrContextKey) != nil {
		return nil, false
	}
	if keys := r.Header[Header]; len(keys) == 1 {
		if o, ok := offers.Load(keys[0]); ok {
			return o.(*Offer).what.Load(), true
		}
	}
	_, made = r.Header[templatesHeader]
	return nil, made
}
