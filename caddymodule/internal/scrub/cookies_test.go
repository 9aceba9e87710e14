package scrub

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	ownSession = "__Host-zoom_pkce_1a2b3c4d"
	ownLogin   = "__Host-zoom_pkce_1a2b3c4d_0011aabb"
)

func isOwnCookie(name string) bool { return strings.HasPrefix(name, ownSession) }

func TestRemoveCookies(t *testing.T) {
	s, l := ownSession+"=S.a-b_c", ownLogin+"=L"
	tests := []struct {
		name      string
		got, want []string
	}{
		{"none", []string{"a=1; b=2"}, []string{"a=1; b=2"}},
		{"first", []string{s + "; a=1; b=2"}, []string{"a=1; b=2"}},
		{"middle", []string{"a=1; " + s + "; b=2"}, []string{"a=1; b=2"}},
		{"last", []string{"a=1; b=2; " + s}, []string{"a=1; b=2"}},
		{"last, with a semicolon", []string{"a=1; " + s + ";"}, []string{"a=1;"}},
		{"last two", []string{"a=1; " + s + "; " + l}, []string{"a=1"}},
		{"only", []string{s}, nil},
		{"only, many", []string{s + "; " + l + ";" + s}, nil},
		{"only, odd separators", []string{" ; " + s + " ;; "}, nil},
		{"around others", []string{s + "; a=1; " + l}, []string{"a=1"}},
		{"between others, twice", []string{"a=1; " + s + "; b=2; " + l + "; c=3"}, []string{"a=1; b=2; c=3"}},
		{"odd bytes of others stay", []string{"a = \"1,\\\"; " + s + ";b;;=; c=\xff"}, []string{"a = \"1,\\\";b;;=; c=\xff"}},
		{"quotes do not hide ours", []string{`a="x; ` + s + `; b=y"`}, []string{`a="x; b=y"`}},
		{"spaces around the name", []string{"a=1;\t" + ownSession + " = v; b=2"}, []string{"a=1; b=2"}},
		{"no value", []string{"a=1; " + ownSession}, []string{"a=1"}},
		{"other case is another cookie", []string{strings.ToUpper(s)}, []string{strings.ToUpper(s)}},
		{"a spelling of PHP is another cookie", []string{"__Host-zoom.pkce_1a2b3c4d=x"}, []string{"__Host-zoom.pkce_1a2b3c4d=x"}},
		{"in a value", []string{"a=" + s}, []string{"a=" + s}},
		{"several lines", []string{"a=1", s, "b=2; " + l}, []string{"a=1", "b=2"}},
		{"several lines of ours", []string{s, l + "; "}, nil},
		{"empty", []string{""}, []string{""}},
		{"semicolons", []string{"; ; ;"}, []string{"; ; ;"}},
		{"equals sign", []string{"="}, []string{"="}},
		{"many semicolons", []string{strings.Repeat(";", 8192)}, []string{strings.Repeat(";", 8192)}},
		{"many semicolons and ours", []string{strings.Repeat(";", 8192) + s}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Cookie": slices.Clone(tt.got)}
			RemoveCookies(h, isOwnCookie)
			if got := h["Cookie"]; !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if _, ok := h["Cookie"]; ok != (tt.want != nil) {
				t.Errorf("header present: %v", ok)
			}
		})
	}
	h := http.Header{}
	RemoveCookies(h, isOwnCookie)
	if len(h) != 0 {
		t.Errorf("a header appeared: %v", h)
	}
}

func TestRemoveCookiesAllocations(t *testing.T) {
	tests := []struct {
		name, line string
		limit      float64
	}{
		{"none of ours", "a=1; b=2; c=3", 0},
		{"ours first", ownSession + "=v; a=1; b=2", 0},
		{"ours last", "a=1; b=2; " + ownSession + "=v", 0},
		{"ours in the middle", "a=1; " + ownSession + "=v; b=2", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Cookie": {""}}
			n := testing.AllocsPerRun(100, func() {
				h["Cookie"][0] = tt.line
				RemoveCookies(h, isOwnCookie)
			})
			if n > tt.limit {
				t.Errorf("%v allocations, want at most %v", n, tt.limit)
			}
		})
	}
}

// FuzzRemoveCookies checks against the plainest reading of the header that
// ours are gone and that the others have kept their bytes and order.
func FuzzRemoveCookies(f *testing.F) {
	f.Add("a=1; " + ownSession + "=x; b=2")
	f.Add(";;" + ownSession + ";= ;\t" + ownLogin + "=\"a;b\"")
	f.Fuzz(func(t *testing.T, line string) {
		var want []string
		ours := false
		for part := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(part, "=")
			if isOwnCookie(strings.Trim(name, " \t\r\n")) {
				ours = true
				continue
			}
			want = append(want, part)
		}
		h := http.Header{"Cookie": {line}}
		RemoveCookies(h, isOwnCookie)
		got := h["Cookie"]
		switch {
		case !ours:
			if len(got) != 1 || got[0] != line {
				t.Errorf("%q became %q", line, got)
			}
		case strings.Trim(strings.Join(want, ";"), "; \t") == "":
			if got != nil {
				t.Errorf("%q became %q, want nothing", line, got)
			}
		case len(got) != 1 || got[0] != strings.TrimLeft(strings.Join(want, ";"), " \t"):
			t.Errorf("%q became %q, want %q", line, got, want)
		}
	})
}

func BenchmarkCookies(b *testing.B) {
	r := browserRequest()
	line := r.Header["Cookie"][0]
	b.ReportAllocs()
	for b.Loop() {
		r.Header["Cookie"][0] = line
		RemoveCookies(r.Header, isOwnCookie)
	}
}
