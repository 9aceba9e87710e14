// Package user is for the test of caddymodule/internal/mutants: it uses tiny, and its
// tests notice more of tiny's faults.
package user

import "github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/mutants/testdata/tiny"

// Named reports whether there is a name.
func Named(name string) bool { return tiny.Check(name, true) == nil }
