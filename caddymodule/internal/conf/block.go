// Package conf turns what operators write into checked values: blocks of a Caddyfile,
// placeholders, URLs and hosts, and what was probably meant by a misspelled word. What
// only one option needs stays with the option.
package conf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Block reads the lines of one Caddyfile block. Its methods read the arguments
// of the line whose first token is the current one. Their errors carry file and
// line but no argument of a line that takes free text: it may be a secret.
type Block struct {
	httpcaddyfile.Helper
	name  string                      // of the subdirective that opened it, for messages
	names func(block string) []string // what a block takes, nil if that is not told
	seen  map[string]bool             // subdirectives that take one value
}

// NewBlock returns the block called name that follows the current token. names, which
// may be nil, lists the subdirectives that a block of a name takes, for "did you mean".
func NewBlock(helper httpcaddyfile.Helper, name string, names func(block string) []string) *Block {
	return &Block{Helper: helper, name: name, names: names}
}

// Lines calls line for each line of the block that follows the current token.
func (b *Block) Lines(line func(*Block) error) error {
	for nesting := b.Nesting(); b.NextBlock(nesting); {
		if err := line(b); err != nil {
			return err
		}
	}
	return nil
}

// Nested reads a subdirective that takes a block and nothing else.
func (b *Block) Nested(line func(*Block) error) error {
	if name := b.Val(); b.CountRemainingArgs() == 0 && !b.OpensBlock() {
		return b.WrongCount(name, "takes a block")
	}
	return b.Optional(line)
}

// Optional reads a subdirective that takes a block or nothing.
func (b *Block) Optional(line func(*Block) error) error {
	name := b.Val()
	if err := b.Once(); err != nil {
		return err
	}
	if b.NextArg() {
		return b.WrongCount(name, "takes only a block")
	}
	inner := NewBlock(b.Helper, name, b.names)
	return inner.Lines(line)
}

// OpensBlock reports whether the next token opens a block.
func (b *Block) OpensBlock() bool {
	if !b.Next() {
		return false
	}
	defer b.Prev()
	return b.Val() == "{"
}

// Once refuses a second line of a subdirective that takes one value.
func (b *Block) Once() error {
	name := b.Val()
	if b.seen[name] {
		return b.Errf("%s already specified", name)
	}
	if b.seen == nil {
		b.seen = make(map[string]bool)
	}
	b.seen[name] = true
	return nil
}

// Unrecognized is the error for a subdirective that the block does not take.
func (b *Block) Unrecognized() error {
	if name := b.similar(b.Val()); name != "" {
		return b.Errf("unrecognized %s subdirective '%s' (did you mean '%s'?)", b.name, b.Val(), name)
	}
	return b.Errf("unrecognized %s subdirective '%s'", b.name, b.Val())
}

// WrongCount is the error for a line with too few or too many arguments.
func (b *Block) WrongCount(option, takes string) error {
	return b.Errf("wrong argument count for %s: it %s", option, takes)
}

// thereIsNone is for lines without an argument: of {$NAME}, which is replaced in
// the text of the Caddyfile, nothing is left if the variable is not set.
const thereIsNone = "; there is none: is a {$NAME} in it unset?"

// NotEmpty refuses arguments that are empty.
func (b *Block) NotEmpty(option string, args ...string) error {
	if slices.Contains(args, "") {
		return b.Errf("%s: an argument is empty; is a {$NAME} in it unset? If not, leave the line out", option)
	}
	return nil
}

// argument reads the only argument of a line that may appear once.
func (b *Block) argument() (string, error) {
	option := b.Val()
	if err := b.Once(); err != nil {
		return "", err
	}
	args := b.RemainingArgs()
	switch len(args) {
	case 0:
		return "", b.WrongCount(option, "takes one argument"+thereIsNone)
	case 1:
		return args[0], b.NotEmpty(option, args...)
	default:
		return "", b.WrongCount(option, "takes one argument; quote it if it contains spaces")
	}
}

// Text reads the only argument of a line that may appear once.
func (b *Block) Text(into *string) error {
	text, err := b.argument()
	*into = text
	return err
}

// List appends the arguments, so that repeated lines accumulate.
func (b *Block) List(into *[]string) error {
	option := b.Val()
	args := b.RemainingArgs()
	if len(args) == 0 {
		return b.WrongCount(option, "takes one argument or more"+thereIsNone)
	}
	*into = append(*into, args...)
	return b.NotEmpty(option, args...)
}

// Placeholder matches what Caddy may replace.
var Placeholder = regexp.MustCompile(`\{[^{}\s]+\}`)

// OneOf reads one of a few words. A placeholder is checked when the
// configuration loads.
func (b *Block) OneOf(into *string, allowed ...string) error {
	option := b.Val()
	word, err := b.argument()
	if err != nil {
		return err
	}
	if !slices.Contains(allowed, word) && !Placeholder.MatchString(word) {
		return b.Errf("%s takes %s, not '%s'", option, strings.Join(allowed, " or "), word)
	}
	*into = word
	return nil
}

// OnOff reads on or off.
func (b *Block) OnOff(into *bool) error {
	option := b.Val()
	word, err := b.argument()
	if err != nil {
		return err
	}
	if word != "on" && word != "off" {
		return b.Errf("%s takes on or off, not '%s'", option, word)
	}
	*into = word == "on"
	return nil
}

// Duration reads a duration of more than 0.
func (b *Block) Duration(into *caddy.Duration) error {
	option := b.Val()
	var d *caddy.Duration
	if err := b.DurationOrZero(&d); err != nil {
		return err
	}
	if *d == 0 {
		return b.Errf("%s must be more than 0", option)
	}
	*into = *d
	return nil
}

// DurationOrZero reads a duration that is not negative.
func (b *Block) DurationOrZero(into **caddy.Duration) error {
	option := b.Val()
	word, err := b.argument()
	if err != nil {
		return err
	}
	parsed, err := caddy.ParseDuration(word)
	if err != nil {
		return b.Errf("%s: '%s' is not a duration such as 90s, 12h or 30d", option, word)
	}
	if parsed < 0 {
		return b.Errf("%s must not be negative", option)
	}
	d := caddy.Duration(parsed)
	*into = &d
	return nil
}

// Count reads a whole number of 1 or more.
func (b *Block) Count(into *int) error {
	option := b.Val()
	word, err := b.argument()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		return b.Errf("%s takes a whole number of 1 or more, not '%s'", option, word)
	}
	*into = n
	return nil
}

// MatcherSet appends the matcher of the line: a matcher token, an inline
// matcher or a block of matchers. An empty set matches every request.
func (b *Block) MatcherSet(into *caddyhttp.RawMatcherSets) error {
	option := b.Val()
	segment := b.NewFromNextSegment()
	segment.Next()
	set, isToken, err := b.WithDispenser(segment).MatcherToken()
	switch {
	case err != nil:
		return b.WrapErr(err)
	case isToken && segment.Next():
		return b.WrongCount(option, "takes one matcher token, or matchers by name")
	case isToken && set == nil:
		set = caddy.ModuleMap{}
	case !isToken:
		segment.Reset()
		segment.Next()
		if set, err = caddyhttp.ParseCaddyfileNestedMatcherSet(segment); err != nil {
			return err
		}
		if len(set) == 0 {
			return b.WrongCount(option, "takes a matcher")
		}
	}
	*into = append(*into, set)
	return nil
}
