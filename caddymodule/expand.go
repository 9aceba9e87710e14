package caddymodule

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

// value is one configured string and where it came from.
type value struct {
	option string // "cookie secret"
	raw    string // as configured
	text   string // with placeholders replaced
	secret bool
}

// sourcePlaceholder matches the placeholders that secrets are read from. Other
// text in braces may be part of a literal secret.
var sourcePlaceholder = regexp.MustCompile(`\{(?:env|file)\.[^{}]+\}`)

// String names the option for messages and shows what stands in the
// configuration, never what placeholders became; of a secret only the
// placeholders it is read from.
func (v value) String() string {
	switch {
	case v.secret:
		return strings.Join(append([]string{v.option}, sourcePlaceholder.FindAllString(v.raw, -1)...), " ")
	case v.raw == "":
		return v.option
	default:
		return fmt.Sprintf("%s %q", v.option, v.raw)
	}
}

func (r *Resolver) fail(v value, format string, args ...any) {
	r.failf(v.String(), format, args...)
}

func (r *Resolver) failf(option, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %w", option, fmt.Errorf(format, args...)))
}

// text resolves one option; ok is false if it is unset or wrong.
func (r *Resolver) text(option, raw string) (v value, ok bool) {
	if raw == "" {
		return value{}, false
	}
	v = value{option: option, raw: raw}
	return v, r.expand(&v) && r.clean(v)
}

// secret is text for a value that no message may show.
func (r *Resolver) secret(option, raw string) (v value, ok bool) {
	if raw == "" {
		return value{}, false
	}
	v = value{option: option, raw: raw, secret: true}
	return v, r.expand(&v) && r.clean(v)
}

// texts resolves a list and leaves out the entries that are wrong.
func (r *Resolver) texts(option string, raws []string) []value {
	return r.list(raws, value{option: option}, r.clean)
}

// secrets is texts for values that no message may show.
func (r *Resolver) secrets(option string, raws []string) []value {
	return r.list(raws, value{option: option, secret: true}, r.clean)
}

// keys is secrets for values that may hold any bytes.
func (r *Resolver) keys(option string, raws []string) []value {
	return r.list(raws, value{option: option, secret: true}, func(value) bool { return true })
}

func (r *Resolver) list(raws []string, origin value, valid func(value) bool) []value {
	var values []value
	for i, raw := range raws {
		v := origin
		v.raw = raw
		if v.secret && len(raws) > 1 {
			v.option = fmt.Sprintf("%s (number %d)", origin.option, i+1)
		}
		if raw == "" {
			r.fail(v, "is empty")
		} else if r.expand(&v) && valid(v) {
			values = append(values, v)
		}
	}
	return values
}

// expand replaces the placeholders that are known while the configuration
// loads. An empty one is an error: a secret whose environment variable is
// missing must not turn into no secret.
func (r *Resolver) expand(v *value) bool {
	text, err := r.Repl.ReplaceOrErr(v.raw, true, true)
	if err == nil {
		v.text = text
		return true
	}
	if !v.secret {
		r.fail(*v, "%w (only {env.*}, {file.*} and other global placeholders are known "+
			"when the configuration loads)", err)
		return false
	}
	// Caddy's error quotes what stood in the braces, which may be a piece of a
	// literal secret.
	for _, source := range sourcePlaceholder.FindAllString(v.raw, -1) {
		if found, _ := r.Repl.GetString(strings.Trim(source, "{}")); found == "" {
			r.failf(v.option, "placeholder %s is empty: the variable is not set or the file cannot be read", source)
			return false
		}
	}
	r.failf(v.option, `braces read as a placeholder that does not exist; write them as \{ and \}, `+
		`or put the secret into {env.NAME} or {file./path}`)
	return false
}

// clean refuses what slips into a value from a file with several line ends or a
// careless copy, and what could end a header line.
func (r *Resolver) clean(v value) bool {
	switch {
	case !utf8.ValidString(v.text) || strings.ContainsFunc(v.text, unicode.IsControl):
		r.fail(v, "contains a line end, a control character or bytes that are not UTF-8")
	case v.text != strings.TrimSpace(v.text):
		r.fail(v, "begins or ends with white space")
	default:
		return true
	}
	return false
}

func (r *Resolver) err() error { return errors.Join(r.errs...) }

// duration returns d, or standard if it is unset, and refuses negative ones.
func (r *Resolver) duration(option string, d caddy.Duration, standard time.Duration) time.Duration {
	switch {
	case d == 0:
		return standard
	case d < 0:
		r.failf(option, "%s is negative", time.Duration(d))
		return standard
	default:
		return time.Duration(d)
	}
}

// count returns n, or standard if it is unset.
func (r *Resolver) count(option string, n, standard, most int) int {
	if n == 0 {
		return standard
	}
	if n < 0 || n > most {
		r.failf(option, "%d is not between 1 and %d", n, most)
	}
	return n
}

// oneOf returns one of allowed, the first if the option is unset.
func (r *Resolver) oneOf(option, raw string, allowed ...string) string {
	v, ok := r.text(option, raw)
	if !ok {
		return allowed[0]
	}
	if !slices.Contains(allowed, v.text) {
		r.fail(v, "is not one of %s", strings.Join(allowed, ", "))
		return allowed[0]
	}
	return v.text
}
