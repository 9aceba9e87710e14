// Package planted has one of each thing in which the tool plants a fault, and of each in
// which it must not: planted.txt beside it lists the faults.
package planted

import (
	"errors"
	"os"
	clock "time"
)

const unplanted = 7

type pair struct {
	first, second int
	ok            bool
}

var (
	table = map[int]string{1: "one", 2: "two"}
	rows  = [2]pair{0: {first: 1}, 1: {first: 2, ok: true}}
	flags = []bool{true}
	// Pause has a type that other.go cannot name.
	Pause = 2 * clock.Second
)

var _ = os.Getpid() == 1

func _() { println(1) }

// Numbers compares and counts.
func Numbers(a, b int, f float64) int {
	switch {
	case a < b, a <= b:
		return a + b
	case a > b:
		return a - b
	case a >= b:
		return int(f * 2.5)
	case a == b:
		return unplanted
	}
	letter := 'a' + 1
	if letter == 'b' {
		return 0
	}
	return int(letter) ^ 1
}

// Words joins strings, which no sum does.
func Words(a, b string) string {
	switch a {
	case "one", b:
		return a + b
	}
	if a != b {
		return table[1]
	}
	return rows[0].word()
}

func (p pair) word() string { return "" }

// Room makes things of a size.
func Room(n int) int {
	slice := append(make([]int, 3, 4), make([]int, n)...)
	lists := make(map[int]int, 5)
	places := make(chan int, 6)
	return len(slice) + len(lists) + cap(places)
}

// Conditions decides in all the ways there are.
func Conditions(p *pair, known map[string]bool, ask func() bool) bool {
	for ask() {
		p.first++
	}
	if p.ok && !known["a"] || ask() {
		return known["b"]
	}
	switch {
	case p.ok:
		return !ask()
	}
	yes := ask()
	if yes == p.ok {
		return true
	}
	return p != nil
}

// Errors returns some.
func Errors(name string, try func() error, both func() (int, error)) (int, error) {
	err := try()
	if err != nil {
		return 0, err
	}
	if err := try(); err == nil {
		return both()
	}
	once := func() error { return errors.New("once") }
	if name == "" {
		return -1, once()
	}
	return 0, nil
}

// Named returns what it has.
func Named() (err error) {
	err = errors.New("named")
	return
}

// Statements does one of each.
func Statements(out chan int, done func()) {
	defer done()
	go done()
	out <- 1
	n := 1
	n++
	n -= 2
	if n > 9 {
		panic("nine")
	}
	select {
	case out <- n:
		done()
	default:
	}
loop:
	for n = range 3 {
		switch n {
		case 0:
			continue
		case 1:
			break loop
		}
		break
	}
choice:
	switch {
	default:
		break choice // continue would not compile
	}
}

// Found returns the first that is even. A break in its loop would lack a return.
func Found(numbers []int) int {
	for i := 0; ; i++ {
		if numbers[i]%2 == 1 {
			continue
		}
		return numbers[i]
	}
}

// List has a type of its own for each T.
type List[T int | string] struct{ items []T }

// Add adds one.
func (l *List[T]) Add(item T) {
	l.items = append(l.items, item)
}

// Twice has a constant of the type T, which is not planted.
func Twice[T int | float64](n T) T {
	return n * 2
}

// Long has code on lines that are too many and too long for a report.
func Long(show func(...string)) {
	show("the first of several words that stand here",
		"the second of several words that stand here",
		"the third")
}
