package demotest

import (
	"os"
	"strings"
	"testing"
)

// CheckLock checks that the package-lock.json of a test's directory names no
// registry, so that each machine uses its own, and still what the packages have
// to be.
func CheckLock(t *testing.T) {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) || !strings.Contains(string(lock), `"integrity"`) {
		t.Errorf("got %s", lock)
	}
}
