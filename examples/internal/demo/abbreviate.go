package demo

import "fmt"

// Abbreviate shows enough of a token to tell it from another.
func Abbreviate(token string) string {
	const ends = 10
	if len(token) <= 3*ends {
		return token
	}
	return fmt.Sprintf("%s...%s (%d bytes)", token[:ends], token[len(token)-ends:], len(token))
}
