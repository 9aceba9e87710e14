package conf

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
)

// Resolver turns configured text into checked values. It collects mistakes
// instead of stopping at the first, so that an operator sees all of them.
type Resolver struct {
	// Repl knows the placeholders that are known while the configuration loads.
	Repl *caddy.Replacer

	errs []error
}

// Value is one configured string and where it came from.
type Value struct {
	Option string // "cookie secret"
	Raw    string // as configured
	Text   string // with placeholders replaced
	secret bool
}

// SourcePlaceholder matches the placeholders that secrets are read from. Other
// text in braces may be part of a literal secret.
var SourcePlaceholder = regexp.MustCompile(`\{(?:env|file)\.[^{}]+\}`)

// String names the option for messages and shows what stands in the
// configuration, never what placeholders became; of a secret only the
// placeholders it is read from.
func (v Value) String() string {
	switch {
	case v.secret:
		return strings.Join(append([]string{v.Option}, SourcePlaceholder.FindAllString(v.Raw, -1)...), " ")
	case v.Raw == "":
		return v.Option
	default:
		return fmt.Sprintf("%s %q", v.Option, v.Raw)
	}
}

// Fail notes what is wrong with a value.
func (r *Resolver) Fail(v Value, format string, args ...any) {
	r.Failf(v.String(), format, args...)
}

// Failf notes what is wrong with an option.
func (r *Resolver) Failf(option, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %w", option, fmt.Errorf(format, args...)))
}

// Text resolves one option; ok is false if it is unset or wrong.
func (r *Resolver) Text(option, raw string) (v Value, ok bool) {
	if raw == "" {
		return Value{}, false
	}
	v = Value{Option: option, Raw: raw}
	return v, r.expand(&v) && r.clean(v)
}

// Secret is text for a value that no message may show.
func (r *Resolver) Secret(option, raw string) (v Value, ok bool) {
	if raw == "" {
		return Value{}, false
	}
	v = Value{Option: option, Raw: raw, secret: true}
	return v, r.expand(&v) && r.clean(v)
}

// Texts resolves a list and leaves out the entries that are wrong.
func (r *Resolver) Texts(option string, raws []string) []Value {
	return r.list(raws, Value{Option: option}, r.clean)
}

// Secrets is texts for values that no message may show.
func (r *Resolver) Secrets(option string, raws []string) []Value {
	return r.list(raws, Value{Option: option, secret: true}, r.clean)
}

// Keys is secrets for values that may hold any bytes.
func (r *Resolver) Keys(option string, raws []string) []Value {
	return r.list(raws, Value{Option: option, secret: true}, func(Value) bool { return true })
}

func (r *Resolver) list(raws []string, origin Value, valid func(Value) bool) []Value {
	var values []Value
	for i, raw := range raws {
		v := origin
		v.Raw = raw
		if v.secret && len(raws) > 1 {
			v.Option = fmt.Sprintf("%s (number %d)", origin.Option, i+1)
		}
		if raw == "" {
			r.Fail(v, "is empty")
		} else if r.expand(&v) && valid(v) {
			values = append(values, v)
		}
	}
	return values
}

// expand replaces the placeholders that are known while the configuration
// loads. An empty one is an error: a secret whose environment variable is
// missing must not turn into no secret.
func (r *Resolver) expand(v *Value) bool {
	text, err := r.Repl.ReplaceOrErr(v.Raw, true, true)
	if err == nil {
		v.Text = text
		return true
	}
	for _, source := range SourcePlaceholder.FindAllString(v.Raw, -1) {
		if found, _ := r.Repl.GetString(strings.Trim(source, "{}")); found == "" {
			r.Failf(v.Option, "placeholder %s is empty: the variable is not set or the file cannot be read", source)
			return false
		}
	}
	if !v.secret {
		r.Fail(*v, "%w (only {env.*}, {file.*} and other global placeholders are known "+
			"when the configuration loads)", err)
		return false
	}
	// Caddy's error quotes what stood in the braces, which may be a piece of a
	// literal secret.
	r.Failf(v.Option, `braces read as a placeholder that does not exist; write them as \{ and \}, `+
		`or put the secret into {env.NAME} or {file./path}`)
	return false
}

// clean refuses what slips into a value from a file with several line ends or a
// careless copy, and what could end a header line.
func (r *Resolver) clean(v Value) bool {
	switch {
	case !utf8.ValidString(v.Text) || strings.ContainsFunc(v.Text, unicode.IsControl):
		r.Fail(v, "contains a line end, a control character or bytes that are not UTF-8")
	case v.Text != strings.TrimSpace(v.Text):
		r.Fail(v, "begins or ends with white space")
	default:
		return true
	}
	return false
}

// Err joins all that was noted, nil if nothing was.
func (r *Resolver) Err() error { return errors.Join(r.errs...) }

// Duration returns d, or standard if it is unset, and refuses negative ones.
func (r *Resolver) Duration(option string, d caddy.Duration, standard time.Duration) time.Duration {
	switch {
	case d > 0:
		return time.Duration(d)
	case d < 0:
		r.Failf(option, "%s is negative", time.Duration(d))
	}
	return standard
}

// Count returns n, or standard if it is unset.
func (r *Resolver) Count(option string, n, standard, most int) int {
	if n == 0 {
		return standard
	}
	if n < 1 || n > most {
		r.Failf(option, "%d is not between 1 and %d", n, most)
	}
	return n
}

// OneOf returns one of allowed, the first if the option is unset.
func (r *Resolver) OneOf(option, raw string, allowed ...string) string {
	v, ok := r.Text(option, raw)
	if !ok {
		return allowed[0]
	}
	if !slices.Contains(allowed, v.Text) {
		r.Fail(v, "is not one of %s", strings.Join(allowed, ", "))
		return allowed[0]
	}
	return v.Text
}
