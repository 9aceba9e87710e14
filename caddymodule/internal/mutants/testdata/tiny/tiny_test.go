package tiny

import "testing"

func TestAllowed(t *testing.T) {
	if !Allowed(2) || Allowed(3) {
		t.Error("the limit is 3")
	}
}

func TestClamp(t *testing.T) {
	if Clamp(-1) != 0 || Clamp(0) != 0 || Clamp(1) != 1 {
		t.Error("wrong")
	}
}

func TestCount(t *testing.T) {
	if Count(3) != 3 {
		t.Error("wrong")
	}
}

func TestCheck(t *testing.T) {
	if err := Check("a name", true); err != nil {
		t.Error(err)
	}
}

func TestKind(t *testing.T) {
	if Kind("one") != 1 || Kind("two") != 2 {
		t.Error("wrong")
	}
}

func TestFirst(t *testing.T) {
	if First([]int{1, 2, 3}, func(n int) bool { return n < 3 }) != 3 {
		t.Error("wrong")
	}
}
