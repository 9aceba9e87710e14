// Package miswritten has tests that do not compile.
package miswritten
