package zoompkce

// MemoryStoreLen is how many records a store holds, expired or not.
func MemoryStoreLen(s *MemoryStore) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}
