package conf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// options has an option for each way of reading one.
type options struct {
	text     string
	list     []string
	word     string
	on       bool
	life     caddy.Duration
	grace    *caddy.Duration
	count    int
	match    caddyhttp.RawMatcherSets
	nested   string
	optional bool
}

func (o *options) line(b *Block) error {
	switch b.Val() {
	case "text":
		return b.Text(&o.text)
	case "list":
		return b.List(&o.list)
	case "word":
		return b.OneOf(&o.word, "lax", "none")
	case "switch":
		return b.OnOff(&o.on)
	case "life":
		return b.Duration(&o.life)
	case "grace":
		return b.DurationOrZero(&o.grace)
	case "count":
		return b.Count(&o.count)
	case "match":
		return b.MatcherSet(&o.match)
	case "nested":
		return b.Nested(func(b *Block) error { o.nested = b.Val(); return b.Unrecognized() })
	case "optional":
		o.optional = true
		return b.Optional(func(b *Block) error { return b.Text(&o.nested) })
	}
	return b.Unrecognized()
}

func readBlock(lines string) (o options, err error) {
	names := func(block string) []string {
		return map[string][]string{"outer": {"text", "list", "switch"}, "nested": {"inner"}}[block]
	}
	d := caddyfile.NewTestDispenser("outer {\n" + lines + "\n}")
	d.Next()
	return o, NewBlock(httpcaddyfile.Helper{Dispenser: d}, "outer", names).Lines(o.line)
}

func TestBlock(t *testing.T) {
	for lines, want := range map[string]func(o options) any{
		"text a":                         func(o options) any { return o.text == "a" },
		"text \"a b\"\nswitch on":        func(o options) any { return o.text == "a b" && o.on },
		"list a b\nlist c":               func(o options) any { return fmt.Sprint(o.list) == "[a b c]" },
		"word none":                      func(o options) any { return o.word == "none" },
		"word {env.SAME_SITE}":           func(o options) any { return o.word == "{env.SAME_SITE}" },
		"switch on":                      func(o options) any { return o.on },
		"switch off":                     func(o options) any { return !o.on },
		"life 90s":                       func(o options) any { return o.life == caddy.Duration(90*time.Second) },
		"life 1ns":                       func(o options) any { return o.life == 1 },
		"grace 1d":                       func(o options) any { return *o.grace == caddy.Duration(24*time.Hour) },
		"grace 0":                        func(o options) any { return *o.grace == 0 },
		"count 1":                        func(o options) any { return o.count == 1 },
		"count 12":                       func(o options) any { return o.count == 12 },
		"match *":                        func(o options) any { return len(o.match) == 1 && o.match[0] != nil && len(o.match[0]) == 0 },
		"match /a\nmatch /b":             func(o options) any { return len(o.match) == 2 && string(o.match[1]["path"]) == `["/b"]` },
		"match path /a":                  func(o options) any { return string(o.match[0]["path"]) == `["/a"]` },
		"match {\npath /a\nhost b\n}":    func(o options) any { return string(o.match[0]["host"]) == `["b"]` && len(o.match[0]) == 2 },
		"optional":                       func(o options) any { return o.optional },
		"optional {\ninner x\n}\nlist a": func(o options) any { return o.nested == "x" && len(o.list) == 1 },
	} {
		if o, err := readBlock(lines); err != nil || want(o) != true {
			t.Errorf("%q: %+v, %v", lines, o, err)
		}
	}
}

func TestBlockMistakes(t *testing.T) {
	const unset = "; there is none: is a {$NAME} in it unset?"
	for lines, want := range map[string]string{
		"text":                          "wrong argument count for text: it takes one argument" + unset,
		"text a b":                      "wrong argument count for text: it takes one argument; quote it if it contains spaces",
		`text ""`:                       "text: an argument is empty; is a {$NAME} in it unset? If not, leave the line out",
		"text a\ntext b":                "text already specified",
		"list":                          "wrong argument count for list: it takes one argument or more" + unset,
		`list a ""`:                     "list: an argument is empty",
		"word strict":                   "word takes lax or none, not 'strict'",
		"word":                          "wrong argument count for word",
		"switch yes":                    "switch takes on or off, not 'yes'",
		"switch":                        "wrong argument count for switch",
		"life 0":                        "life must be more than 0",
		"life -1s":                      "life must not be negative",
		"life":                          "wrong argument count for life",
		"grace -1ns":                    "grace must not be negative",
		"grace soon":                    "grace: 'soon' is not a duration such as 90s, 12h or 30d",
		"grace":                         "wrong argument count for grace",
		"count 0":                       "count takes a whole number of 1 or more, not '0'",
		"count x":                       "count takes a whole number of 1 or more, not 'x'",
		"count 99999999999999999999":    "count takes a whole number of 1 or more",
		"count":                         "wrong argument count for count",
		"match":                         "wrong argument count for match: it takes a matcher",
		"match * /b":                    "wrong argument count for match: it takes one matcher token, or matchers by name",
		"match @unknown":                "unrecognized matcher",
		"match nonsense x":              "getting matcher module 'nonsense'",
		"nested":                        "wrong argument count for nested: it takes a block",
		"nested x":                      "wrong argument count for nested: it takes only a block",
		"nested {\ninne x\n}":           "unrecognized nested subdirective 'inne' (did you mean 'inner'?)",
		"nested {\n}\nnested {\n}":      "nested already specified",
		"optional x":                    "wrong argument count for optional: it takes only a block",
		"optional {\n}\noptional":       "optional already specified",
		"optional {\na x\na y\n}":       "a already specified",
		"swatch on":                     "unrecognized outer subdirective 'swatch' (did you mean 'switch'?)",
		"lxxt a":                        "unrecognized outer subdirective 'lxxt' (did you mean 'text'?)", // the first of those as near
		"abct a":                        "unrecognized outer subdirective 'abct'",
		"elephant":                      "unrecognized outer subdirective 'elephant'",
		"text a\nlife\ncount x\nlist b": "wrong argument count for life",
	} {
		_, err := readBlock(lines)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "did you mean") != strings.Contains(want, "did you mean") {
			t.Errorf("%q: %v, want %s", lines, err, want)
		}
		if _, secret := readBlock("text secret-a secret-b"); strings.Contains(secret.Error(), "secret-") {
			t.Errorf("an argument is shown: %v", secret)
		}
	}
	b := NewBlock(httpcaddyfile.Helper{Dispenser: caddyfile.NewTestDispenser("outer")}, "outer", nil)
	if err := b.Unrecognized(); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("without names: %v", err)
	}
}

func TestOpensBlock(t *testing.T) {
	for text, want := range map[string]bool{"a {\n}": true, "a b {\n}": false, "a": false} {
		d := caddyfile.NewTestDispenser(text)
		d.Next()
		b := NewBlock(httpcaddyfile.Helper{Dispenser: d}, "outer", nil)
		if got := b.OpensBlock(); got != want || b.Val() != "a" {
			t.Errorf("%q: %t at %s", text, got, b.Val())
		}
	}
}

func TestUnique(t *testing.T) {
	if got := fmt.Sprint(Unique([]string{"b", "a", "b", "c", "a"})); got != "[b a c]" {
		t.Errorf("got %s", got)
	}
}
