package doctor

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseEnvFile(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
	}{
		{"plain", "A=1\nB=two words\n", "map[A:1 B:two words]"},
		{"comments and empty lines", "# A=0\n\n  A=1 # one\n", "map[A:1]"},
		{"exported", "export A=1\n", "map[A:1]"},
		{"quoted", `A="x y"` + "\nB='z'\n", "map[A:x y B:z]"},
		{"quoted over lines", "A=\"x\ny\"\nB=1\n", "map[A:x\ny B:1]"},
		{"quoted without end", "A=\"x\ny", "map[A:x\ny]"},
		{"no equals sign after a quoted one", "A=\"x\ny\"\nsecret-value", "line 3 is not KEY=VALUE"},
		{"empty value", "A=\n", "map[A:]"},
		{"no equals sign", "A=1\nsecret-value\n", "line 2 is not KEY=VALUE"},
		{"space in key", "A B=secret-value\n", "line 1 has a space in its key"},
		{"space before value", "A= secret-value\n", "line 1 has white space before its value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseEnvFile(strings.NewReader(test.text))
			text := fmt.Sprint(got)
			if err != nil {
				text = err.Error()
			}
			if text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}
