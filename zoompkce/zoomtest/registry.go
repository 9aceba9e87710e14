package zoomtest

import "time"

// registry is what the simulated Zoom remembers.
type registry struct {
	apps      map[string]*App
	users     map[string]*User
	userOrder []string // as added, for the consent page

	keys    signingKeys
	codes   shelf[*code]
	grants  map[grantKey][]*grant // live ones only
	access  shelf[*accessToken]
	refresh shelf[*refreshToken]
	zaks    shelf[*meetingToken]
	obfs    shelf[*meetingToken]

	assertions shelf[usedAssertion]
	recordings map[string]Recording
}

func newRegistry() registry {
	return registry{
		apps:   map[string]*App{},
		users:  map[string]*User{},
		keys:   newSigningKeys(),
		grants: map[grantKey][]*grant{},

		recordings: map[string]Recording{},
	}
}

// keepExpired is how long an expired item is still told from an unknown one.
const keepExpired = 24 * time.Hour

// A shelf keeps items by their text until a day after they expired. It is
// cleaned only as it grows, so that long runs stay small.
type shelf[T expiring] struct {
	items   map[string]T
	cleanAt int
}

type expiring interface {
	expiry() time.Time
}

func (s *shelf[T]) put(text string, item T, now time.Time) {
	if s.items == nil {
		s.items = map[string]T{}
	}
	if len(s.items) >= max(s.cleanAt, 4096) {
		for text, item := range s.items {
			if now.After(item.expiry().Add(keepExpired)) {
				delete(s.items, text)
			}
		}
		s.cleanAt = 2 * len(s.items)
	}
	s.items[text] = item
}

func (s *shelf[T]) get(text string) (T, bool) {
	item, ok := s.items[text]
	return item, ok
}

func (s *shelf[T]) remove(text string) {
	delete(s.items, text)
}
