// Package demotest is what the tests of the examples share.
package demotest

import (
	"os"
	"testing"
)

// Missing skips a test for want of something, unless nothing may be wanting.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ZOOM_PKCE_E2E") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}
