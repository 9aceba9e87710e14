package conf

// similar returns the subdirective that a misspelled word is nearest to, "" if it
// is near none.
func (b *Block) similar(word string) (nearest string) {
	if b.names == nil {
		return ""
	}
	best := 3 // more than two letters wrong are another word
	for _, name := range b.names(b.name) {
		if d := editDistance(name, word); d < best {
			nearest, best = name, d
		}
	}
	return nearest
}

// editDistance is how many bytes have to be inserted, removed or replaced
// (https://en.wikipedia.org/wiki/Levenshtein_distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
