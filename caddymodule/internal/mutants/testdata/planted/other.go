package planted

// Other sees the types of planted.go, and cannot name each.
func Other(name string) bool {
	for {
		if name == "" {
			break
		}
		name = name[1:]
	}
	return Pause > 5
}
