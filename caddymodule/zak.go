package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// zakUse is how long a ZAK of the endpoint users/me/zak is used at most: Zoom
// lets it live 5 minutes (https://developers.zoom.us/docs/meeting-sdk/auth/zak/)
// and the client behind us needs some of them to join.
const zakUse = 4 * time.Minute

// maxTokenLifetime is the longest ttl that GET /v2/users/{userId}/token takes.
const maxTokenLifetime = 365 * 24 * time.Hour

// ZAK configures the Zoom access key that protected requests carry.
type ZAK struct {
	// Whether no ZAK is fetched at all. Default: false.
	Disabled bool `json:"disabled,omitempty"`

	// The request header that carries the ZAK. When fetching it failed, the
	// header of this name followed by `-Error` carries a code instead. Default:
	// `X-Zoom-Zak`.
	Header string `json:"header,omitempty"`

	// How old a ZAK may be when a request gets it, at most 4 minutes, or
	// `lifetime` if that is set; 0 fetches one for every request. Default: 1m,
	// or `lifetime` if that is shorter.
	MaxAge *caddy.Duration `json:"max_age,omitempty"`

	// How long the ZAK itself shall live, in whole seconds up to one year. This
	// uses an endpoint of Zoom that needs the scope `user:read:token` instead
	// of `user:read:zak`. Default: unset, about 5 minutes.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// What happens to a request when no ZAK can be fetched: `omit` lets it go
	// on without the header, `fail` answers it with an error. Default: `omit`.
	OnError string `json:"on_error,omitempty"`

	// The protected requests that get a ZAK; a request needs to match one of
	// the sets. Zoom limits the calls of an account, so leave assets out.
	// Default: all of them.
	Match caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`
}

type zakSettings struct {
	header      string
	errorHeader string
	maxAge      time.Duration
	lifetime    time.Duration // 0: the endpoint with a fixed lifetime
	fail        bool
}

func (z *ZAK) unmarshalCaddyfile(b *conf.Block) error {
	if b.CountRemainingArgs() == 0 && b.OpensBlock() {
		return b.Nested(z.subdirective)
	}
	if err := b.Once(); err != nil {
		return err
	}
	if args := b.RemainingArgs(); len(args) != 1 || args[0] != "off" {
		return b.WrongCount("zak", "takes 'off' or a block")
	}
	z.Disabled = true
	return nil
}

func (z *ZAK) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "header":
		return b.Text(&z.Header)
	case "max_age":
		return b.DurationOrZero(&z.MaxAge)
	case "lifetime":
		return b.Duration(&z.Lifetime)
	case "on_error":
		return b.OneOf(&z.OnError, onErrorValues...)
	case "match":
		return b.MatcherSet(&z.Match)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if no ZAK is to be fetched.
func (z *ZAK) resolve(r *resolver) *zakSettings {
	if z == nil {
		z = new(ZAK)
	}
	if z.Disabled {
		return nil
	}
	s := &zakSettings{
		header:   r.headerName("zak header", z.Header, standardZAKHeader),
		lifetime: r.tokenLifetime("zak lifetime", z.Lifetime),
		fail:     r.OneOf("zak on_error", z.OnError, onErrorValues...) == "fail",
	}
	s.errorHeader = s.header + zakErrorSuffix
	r.claimHeader(conf.Value{Option: "zak header", Raw: z.Header}, s.errorHeader)

	use, limit := zakUse, "4m without a lifetime"
	if s.lifetime > 0 {
		use, limit = s.lifetime, "its lifetime"
	}
	s.maxAge = min(time.Minute, use)
	if z.MaxAge != nil {
		s.maxAge = time.Duration(*z.MaxAge)
		if s.maxAge < 0 || s.maxAge > use {
			r.Failf("zak max_age",
				"%s is not between 0 and %s: an older ZAK may have ended before it is used", s.maxAge, limit)
		}
	}
	return s
}

var onErrorValues = []string{"omit", "fail"}

// tokenLifetime checks the lifetime that Zoom is asked to give a ZAK or an OBF
// token: a ttl in seconds, at most one year.
func (r *resolver) tokenLifetime(option string, d caddy.Duration) time.Duration {
	lifetime := time.Duration(d)
	if lifetime < 0 || lifetime > maxTokenLifetime || lifetime%time.Second != 0 {
		r.Failf(option, "%s is not a whole number of seconds up to one year", lifetime)
	}
	return lifetime
}
