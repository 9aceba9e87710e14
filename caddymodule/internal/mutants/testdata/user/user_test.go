package user

import "testing"

func TestNamed(t *testing.T) {
	if Named("") || !Named("a") {
		t.Error("wrong")
	}
}

func TestBroken(t *testing.T) {
	Named("")
	t.Error("fails without a fault")
}
