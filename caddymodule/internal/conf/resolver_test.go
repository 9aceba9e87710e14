package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func newResolver(t *testing.T) *Resolver {
	t.Setenv("CONF_TEST", "from the environment")
	t.Setenv("CONF_EMPTY", "")
	t.Setenv("CONF_LINES", "two\nlines")
	return &Resolver{Repl: caddy.NewReplacer()}
}

// mistakes are what a resolver has noted, one a line.
func mistakes(r *Resolver) string {
	if r.Err() == nil {
		return ""
	}
	return r.Err().Error()
}

func TestText(t *testing.T) {
	for raw, want := range map[string]struct{ text, mistake string }{
		"":                      {"", ""},
		"plain":                 {"plain", ""},
		"it is {env.CONF_TEST}": {"it is from the environment", ""},
		"{env.CONF_EMPTY}":      {"", "name: placeholder {env.CONF_EMPTY} is empty: the variable is not set or the file cannot be read"},
		"{http.request.host}":   {"", "only {env.*}, {file.*} and other global placeholders are known"},
		"{env.CONF_LINES}":      {"", `name "{env.CONF_LINES}": contains a line end, a control character or bytes that are not UTF-8`},
		"tab\t":                 {"", "contains a line end"},
		"not UTF-8 \xff":        {"", "bytes that are not UTF-8"},
		" white":                {"", "begins or ends with white space"},
		"white\u00a0":           {"", "begins or ends with white space"},
	} {
		r := newResolver(t)
		v, ok := r.Text("name", raw)
		if got := mistakes(r); ok != (want.text != "") || ok && v.Text != want.text || (got == "") != (want.mistake == "") || !strings.Contains(got, want.mistake) {
			t.Errorf("%q: %q, %t, %s", raw, v.Text, ok, got)
		}
	}
}

// No message shows a secret, or what a placeholder became.
func TestSecret(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("of the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]struct{ text, mistake string }{
		"":                                      {"", ""},
		"s3cret":                                {"s3cret", ""},
		"{env.CONF_TEST}":                       {"from the environment", ""},
		"{file." + file + "}":                   {"of the file", ""},
		"s3cret{env.CONF_TEST}{env.CONF_EMPTY}": {"", "cookie secret: placeholder {env.CONF_EMPTY} is empty: the variable is not set or the file cannot be read"},
		"s3cret{file." + missing + "}":          {"", "cookie secret: placeholder {file." + missing + "} is empty"},
		"s3cret{brace}":                         {"", "cookie secret: braces read as a placeholder that does not exist"},
		"s3cret{brace}{env.CONF_TEST}":          {"", "cookie secret: braces read as a placeholder that does not exist"},
		"{env.CONF_LINES}":                      {"", "cookie secret {env.CONF_LINES}: contains a line end"},
		"s3cret ":                               {"", "cookie secret: begins or ends with white space"},
	} {
		r := newResolver(t)
		v, ok := r.Secret("cookie secret", raw)
		got := mistakes(r)
		if ok != (want.text != "") || ok && v.Text != want.text || (got == "") != (want.mistake == "") || !strings.Contains(got, want.mistake) {
			t.Errorf("%q: %q, %t, %s", raw, v.Text, ok, got)
		}
		if strings.Contains(got, "s3cret") || strings.Contains(got, "{brace}") || strings.Contains(got, "environment") {
			t.Errorf("%q is shown: %s", raw, got)
		}
		if shown := v.String(); strings.Contains(shown, "s3cret") {
			t.Errorf("%q is shown as %s", raw, shown)
		}
	}
	if got := (Value{Option: "name", Raw: "x"}).String() + (Value{Option: "name"}).String(); got != `name "x"name` {
		t.Errorf("got %s", got)
	}
}

func texts(values []Value) string {
	var all []string
	for _, v := range values {
		all = append(all, v.Option+"="+v.Text)
	}
	return strings.Join(all, ", ")
}

// What is wrong is left out and noted, and all of it at once.
func TestLists(t *testing.T) {
	r := newResolver(t)
	if got := texts(r.Texts("scopes", []string{"a", "", " b", "c", "{env.CONF_TEST}"})); got != "scopes=a, scopes=c, scopes=from the environment" {
		t.Errorf("got %s", got)
	}
	if got := mistakes(r); got != "scopes: is empty\nscopes \" b\": begins or ends with white space" {
		t.Errorf("noted %s", got)
	}
	r = newResolver(t)
	if got := texts(r.Secrets("secret", []string{"a", "b\x01", "", "{env.CONF_EMPTY}", "c"})); got != "secret (number 1)=a, secret (number 5)=c" {
		t.Errorf("got %s", got)
	}
	if got := strings.Split(mistakes(r), "\n"); len(got) != 3 || got[1] != "secret (number 3): is empty" || !strings.HasPrefix(got[0], "secret (number 2): contains") {
		t.Errorf("noted %q", got)
	}
	r = newResolver(t)
	r.Keys("key", []string{"s3cret{brace}"})
	if strings.Contains(mistakes(r), "s3cret") || r.Err() == nil {
		t.Errorf("noted %v", r.Err())
	}
	r = newResolver(t)
	if got := texts(r.Keys("key", []string{" \x01\xff"})); got != "key= \x01\xff" || r.Err() != nil {
		t.Errorf("got %q, %v", got, r.Err())
	}
	if got := texts(r.Secrets("secret", []string{"a", "b"})); got != "secret (number 1)=a, secret (number 2)=b" {
		t.Errorf("got %s", got)
	}
	if got := texts(r.Texts("none", nil)) + texts(r.Secrets("one", []string{"a"})); got != "one=a" || r.Err() != nil {
		t.Errorf("got %q, %v", got, r.Err())
	}
}

func TestNumbersAndWords(t *testing.T) {
	r := newResolver(t)
	for _, tt := range []struct {
		got  any
		want string
	}{
		{r.Duration("life", 0, time.Hour), "1h0m0s"},
		{r.Duration("life", 1, time.Hour), "1ns"},
		{r.Duration("life", -1, time.Hour), "1h0m0s"},
		{r.Count("count", 0, 20, 1000), "20"},
		{r.Count("count", 1, 20, 1000), "1"},
		{r.Count("count", 1000, 20, 1000), "1000"},
		{r.Count("count", 1001, 20, 1000), "1001"},
		{r.Count("count", -1, 20, 1000), "-1"},
		{r.OneOf("word", "", "lax", "none"), "lax"},
		{r.OneOf("word", "none", "lax", "none"), "none"},
		{r.OneOf("word", "strict", "lax", "none"), "lax"},
		{r.OneOf("word", " none", "lax", "none"), "lax"},
	} {
		if got := fmt.Sprint(tt.got); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	const want = "life: -1ns is negative\ncount: 1001 is not between 1 and 1000\ncount: -1 is not between 1 and 1000\n" +
		"word \"strict\": is not one of lax, none\nword \" none\": begins or ends with white space"
	if got := mistakes(r); got != want {
		t.Errorf("noted\n%s\nwant\n%s", got, want)
	}
}
