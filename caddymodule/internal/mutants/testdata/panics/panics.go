// Package panics has tests that cannot be listed.
package panics
