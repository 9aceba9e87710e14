package planted

import (
	"context"
	"strconv"
	"time"
)

const bound = time.Minute

// Deferred ends what ends by itself, and what does not.
func Deferred(ctx context.Context, deadline time.Time) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	ctx, end := context.WithDeadline(ctx, deadline)
	defer end()
	ctx, withdraw := context.WithCancel(ctx)
	defer withdraw()
	ctx, either := context.WithTimeout(ctx, bound)
	ctx, either = context.WithCancel(ctx)
	defer either()
	_, early := context.WithTimeout(ctx, bound)
	early()
	timer, ticker := time.NewTimer(bound), time.NewTicker(bound)
	defer timer.Stop()
	defer ticker.Stop()
	timer.Reset(bound)
	defer timer.Reset(bound)
	call := time.AfterFunc(bound, early)
	defer call.Stop()
}

// Measured compares with the clock.
func Measured(then, now time.Time, patience time.Duration) bool {
	began, age, kept := time.Now(), time.Since(then), time.Since(then)
	adjust(&kept)
	switch {
	case age > bound, -bound > age, age.Abs() <= patience, time.Until(then) < patience, patience <= time.Since(then),
		now.Sub(then) > bound, then.Sub(now).Abs() > bound, began.Sub(then) < bound:
		return true
	case age < 0, now.Sub(then) >= 0, now.Sub(then) > patience, began.Sub(then) > patience:
		return true
	case patience > bound, patience < 0, patience.Abs() > bound, -age > -bound, kept > bound, age.Round(bound) > bound, then.Sub(then) < bound:
		return true
	}
	return now.Unix() > 9
}

func adjust(*time.Duration) {}

// Reserved has room for more.
func Reserved(text string) []byte {
	b := make([]byte, 1+len(text), 2+len(text)-3)
	return append(b, make([]byte, max(4, len(text)), max(5, len(text)))...)
}

// Parsed reads numbers.
func Parsed(text string) (float64, int64) {
	f, _ := strconv.ParseFloat(text, 64)
	n, _ := strconv.ParseInt(text, 10, 64)
	return f, n
}

// Ordered compares texts.
func Ordered(text string) bool { return text >= "a" }
