package conf

// Unique returns list without repetitions, in its order.
func Unique(list []string) (unique []string) {
	seen := make(map[string]bool)
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			unique = append(unique, s)
		}
	}
	return unique
}
