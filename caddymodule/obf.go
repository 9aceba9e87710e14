package caddymodule

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// obfLife is how long an OBF token lives if Zoom is not asked for another time.
const obfLife = 2 * time.Hour

// OBF configures the on-behalf-of token that protected requests carry. It lets
// a participant without a person behind it, such as a recorder, join a meeting
// in which the visitor is present.
type OBF struct {
	// The number of the meeting, 9 to 12 digits; spaces and dashes are dropped.
	// Request placeholders are replaced for each request, which goes on without
	// a token if the result is no meeting number. Required.
	MeetingID string `json:"meeting_id,omitempty"`

	// The request header that carries the token. Default: `X-Zoom-Obf`.
	Header string `json:"header,omitempty"`

	// How long the token itself shall live, in whole seconds up to one year.
	// Default: unset, which means 2 hours at Zoom.
	Lifetime caddy.Duration `json:"lifetime,omitempty"`

	// How old a token may be when a request gets it, at most `lifetime`. Zoom
	// calls these tokens single-use, so with 0 each is handed out once; more lets
	// the requests of a visitor for a meeting share one. Default: 0.
	MaxAge *caddy.Duration `json:"max_age,omitempty"`

	// What happens to a request when no token can be fetched: `omit` lets it go
	// on without the header, `fail` answers it with an error. Default: `omit`.
	OnError string `json:"on_error,omitempty"`
}

type obfSettings struct {
	meetingID string // still with its placeholders
	header    string
	lifetime  time.Duration // 0: Zoom's default
	maxAge    time.Duration // 0: each is handed out once
	fail      bool
}

func (o *obfSettings) policy() zoompkce.OBFPolicy {
	return zoompkce.OBFPolicy{MaxAge: o.maxAge, Lifetime: o.lifetime}
}

func (o *OBF) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "meeting_id":
		return b.Text(&o.MeetingID)
	case "header":
		return b.Text(&o.Header)
	case "lifetime":
		return b.Duration(&o.Lifetime)
	case "max_age":
		return b.DurationOrZero(&o.MaxAge)
	case "on_error":
		return b.OneOf(&o.OnError, onErrorValues...)
	default:
		return b.Unrecognized()
	}
}

// resolve returns nil if no token is to be fetched.
func (o *OBF) resolve(r *resolver) *obfSettings {
	if o == nil {
		return nil
	}
	switch {
	case o.MeetingID == "":
		r.Failf("obf meeting_id", "is required, for example {http.request.uri.query.meeting}")
	case !conf.Placeholder.MatchString(o.MeetingID) && !meetingNumber.MatchString(dropSeparators(o.MeetingID)):
		r.Failf("obf meeting_id",
			"%q is neither a meeting number of 9 to 12 digits nor does it contain a placeholder", o.MeetingID)
	}
	s := &obfSettings{
		meetingID: o.MeetingID,
		header:    r.headerName("obf header", o.Header, standardOBFHeader),
		lifetime:  r.tokenLifetime("obf lifetime", o.Lifetime),
		fail:      r.OneOf("obf on_error", o.OnError, onErrorValues...) == "fail",
	}
	if o.MaxAge != nil {
		s.maxAge = time.Duration(*o.MaxAge)
		if use := cmp.Or(s.lifetime, obfLife); s.maxAge < 0 || s.maxAge > use {
			r.Failf("obf max_age", "%s is not between 0 and %s, when a token has ended", s.maxAge, use)
		}
	}
	return s
}

var meetingNumber = regexp.MustCompile(`^[0-9]{9,12}$`)

// dropSeparators removes what people write between the groups of a meeting
// number.
func dropSeparators(number string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(number)
}
