package logformat

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Names are what one directive sets or receives under names that its
// configuration chooses, and no log may show.
type Names struct {
	// Headers carry credentials: the access token, Authorization too if that is
	// its name or a bearer of ours comes in it, ZAK, OBF token. FastCGI variables
	// (HTTP_X_ZOOM_ZAK) and other spellings go with them; empty names do not count.
	Headers []string
	// CookiePrefixes are the first parts of cookie names, as zoom_pkce is that of
	// __Host-zoom_pkce_1a2b3c4d.
	CookiePrefixes []string
}

// standardNames are hidden in every process.
var standardNames = Names{
	Headers:        []string{"X-Zoom-Access-Token", "X-Zoom-Zak", "X-Zoom-Obf", "X-Zoom-App-Context", "X-Zm-Signature"},
	CookiePrefixes: []string{"zoom_pkce"},
}

// secretFields hold a credential wherever they stand: as fields of an entry, in
// configurations that Caddy logs, as parameters of a query or form.
var secretFields = []string{
	"access_token", "refresh_token", "id_token", "zak", "zak_token", "obf_token", "onbehalf_token",
	"client_secret", "client_assertion", "client_key", "code_verifier",
	"code_challenge", // Zoom's client knows "plain" only, where it is the verifier (RFC 7636, section 4.2)
	"sdk_secret", "secret", "secret_token", "password",
}

// maxReleased bounds the names that are kept although no directive holds them.
const maxReleased = 256

// Register hides names in the logs of this process from now on. The function
// it returns tells that the directive is gone; further calls of it do nothing.
//
// That shows no name again: Caddy lets requests of a former configuration end
// in their own time, and what breaks off a download of hours is logged then.
// Only when 256 others have been released after it is a name forgotten.
func Register(n Names) (release func()) {
	names := n.all()
	hidden.change(func() { hidden.hold(names) })
	return sync.OnceFunc(func() { hidden.change(func() { hidden.release(names) }) })
}

// name is one of a header, as folded, or a prefix of cookies.
type name struct {
	text   string
	cookie bool
}

// all returns the names.
func (n Names) all() []name {
	var names []name
	for _, header := range n.Headers {
		names = append(names, name{text: string(appendFolded(nil, header))})
	}
	for _, prefix := range n.CookiePrefixes {
		names = append(names, name{text: prefix, cookie: true})
	}
	return slices.DeleteFunc(names, func(n name) bool { return n.text == "" })
}

// hidden are the names that logs of this process do not show.
var hidden = newRegistry()

// registry counts who holds a name. Whoever logs reads the set alone, without
// a lock.
type registry struct {
	set atomic.Pointer[nameSet]

	mu       sync.Mutex
	held     map[name]int
	released []name // the longest released first
}

func newRegistry() *registry {
	r := &registry{held: make(map[name]int)}
	r.change(func() { r.hold(standardNames.all()) })
	return r
}

// change makes a change and the set that follows from it.
func (r *registry) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	set := &nameSet{keys: make(map[string]bool)}
	for _, field := range secretFields {
		set.keys[string(appendFolded(nil, field))] = true
	}
	for n := range r.held {
		set.add(n)
	}
	for _, n := range r.released {
		set.add(n)
	}
	r.set.Store(set)
}

func (r *registry) hold(names []name) {
	for _, n := range names {
		r.held[n]++
	}
	r.released = slices.DeleteFunc(r.released, func(n name) bool { return r.held[n] > 0 })
}

func (r *registry) release(names []name) {
	for _, n := range names {
		if r.held[n]--; r.held[n] == 0 {
			delete(r.held, n)
			r.released = append(r.released, n)
		}
	}
	r.released = slices.Clone(r.released[max(0, len(r.released)-maxReleased):])
}

// nameSet is what is hidden at one moment. It does not change.
type nameSet struct {
	keys    map[string]bool // folded
	cookies []string
}

func (s *nameSet) add(n name) {
	if n.cookie {
		// In a text a name begins behind such a byte.
		odd := strings.LastIndexFunc(n.text, func(c rune) bool { return !strings.ContainsRune(nameChars, c) })
		s.cookies = append(s.cookies, n.text[odd+1:])
	} else {
		s.keys[n.text] = true
	}
}

// hidesKey reports whether the value of a field, header, trailer or FastCGI
// variable of that name is a credential.
func (s *nameSet) hidesKey(key string) bool {
	var room [64]byte
	folded := appendFolded(room[:0], key)
	return s.keys[string(folded)]
}

// hidesCookie reports whether a cookie is one of a directive: a prefix, then
// the 8 hex digits of the app, then nothing or the purpose.
func (s *nameSet) hidesCookie(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "__Host-"), "__Secure-")
	for _, prefix := range s.cookies {
		app, ok := strings.CutPrefix(name, prefix+"_")
		if ok && len(app) >= 8 && strings.Trim(app[:8], "0123456789abcdef") == "" && (len(app) == 8 || app[8] == '_') {
			return true
		}
	}
	return false
}

// appendFolded appends what all spellings of a name have in common. Servers
// behind read X_Zoom_Zak, and FastCGI HTTP_X_ZOOM_ZAK, as X-Zoom-Zak; trailers
// that nobody announced come to Caddy's log as Trailer:X-Zoom-Zak.
func appendFolded(b []byte, name string) []byte {
	for _, prefix := range []string{"trailer:", "http_"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			name = name[len(prefix):]
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_' || c == '.' || c == ' ':
			c = '-'
		}
		b = append(b, c)
	}
	return b
}
