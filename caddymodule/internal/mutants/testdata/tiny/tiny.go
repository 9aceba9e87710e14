// Package tiny is for the test of caddymodule/internal/mutants: what its own tests notice, and what
// they do not, is known.
package tiny

import "errors"

// Allowed is tested at both sides of its limit.
func Allowed(n int) bool { return n < 3 }

// Clamp returns n, or 0 if that is more. Which of them it takes for 0 changes nothing.
func Clamp(n int) int {
	if n < 0 {
		return 0
	}
	return n
}

// Count counts down and would go on for ever without its one step.
func Count(n int) (steps int) {
	for n > 0 {
		n -= 1
		steps++
	}
	return steps
}

// Check is tested with what is in order only.
func Check(name string, strict bool) error {
	if name == "" && strict {
		return errors.New("no name")
	}
	return nil
}

// Kind is tested with both of its words.
func Kind(word string) int {
	switch word {
	case "one":
		return 1
	case "two":
		return 2
	}
	return 0
}

// First returns the first that is not left out. A break in its loop would lack a return.
func First(numbers []int, out func(int) bool) int {
	for i := 0; ; i++ {
		if out(numbers[i]) {
			continue
		}
		return numbers[i]
	}
}

// Unreached has no test.
func Unreached(done *bool) { *done = true }

// Told never fails, though its kind may.
func Told(word string) error { return said(word) }

func said(string) error { return nil }
