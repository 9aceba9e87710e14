package zoompkce

import "runtime"

// MemoryStoreLen is how many records a store holds, expired or not.
func MemoryStoreLen(s *MemoryStore) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// CachedCookies is how many opened cookies are in memory.
func CachedCookies(s *State) int {
	s.opened.CleanUp()
	s.active.CleanUp()
	return s.opened.EstimatedSize()
}

// CollectUsers makes sure that users nobody needs are gone.
func CollectUsers(s *State) {
	for range 100 {
		runtime.GC()
		if s.Users() == 0 {
			return
		}
		runtime.Gosched()
	}
}

// Forget empties a state.
func Forget(s *State) {
	s.opened.InvalidateAll()
	s.active.InvalidateAll()
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	clear(s.users.m)
}
