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

// StopAtEnd stops what an example has started when the test is over.
func StopAtEnd(t *testing.T, stop func() error) {
	t.Helper()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
