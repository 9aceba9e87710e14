package zoomapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"
)

const (
	zakLife  = 5 * time.Minute
	obfLife  = 2 * time.Hour
	maxTTL   = 365 * 24 * time.Hour
	tokenAPI = "/v2/users/me/token"
)

// ZAK is a Zoom access key: with it a Meeting SDK app starts or joins a meeting
// as the user. It prints as redacted.
type ZAK struct {
	// Token is the key itself.
	Token string
	// FetchedAt is when it came from Zoom.
	FetchedAt time.Time
	// ExpiresAt is when Zoom stops accepting it, by this machine's clock. Zoom
	// can end it sooner, when the user signs out from all devices.
	ExpiresAt time.Time
}

// String hides the key from fmt and from loggers.
func (z ZAK) String() string { return redacted }

// GoString hides the key from %#v.
func (z ZAK) GoString() string { return redacted }

// Format hides the key from every verb of fmt.
func (z ZAK) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the key from log/slog.
func (z ZAK) LogValue() slog.Value { return slog.StringValue(redacted) }

// ZAK fetches a Zoom access key for the user of t.
//
// Zoom has two endpoints with different scopes. Without a lifetime it is
// /users/me/zak (user:read:zak), whose keys live five minutes. With one, from a
// second to a year, it is /users/me/token (user:read:token), where the type must
// be named: the default is a deprecated token of another kind.
func (c *Client) ZAK(ctx context.Context, t Token, lifetime time.Duration) (ZAK, error) {
	path, query, life := "/v2/users/me/zak", url.Values(nil), zakLife
	if lifetime != 0 {
		path, life = tokenAPI, clampTTL(lifetime)
		query = url.Values{"type": {"zak"}, "ttl": {seconds(life)}}
	}
	token, a, err := c.getToken(ctx, CallZAK, t, path, query)
	if err != nil {
		return ZAK{}, err
	}
	return ZAK{Token: token, FetchedAt: a.at, ExpiresAt: a.at.Add(life)}, nil
}

// OBF is an on-behalf-of token: with it an app joins a meeting outside its own
// account while the user is present there. It prints as redacted.
type OBF struct {
	// Token is the token itself.
	Token string
	// FetchedAt is when it came from Zoom.
	FetchedAt time.Time
	// ExpiresAt is when Zoom stops accepting it, by this machine's clock.
	ExpiresAt time.Time
}

// String hides the token from fmt and from loggers.
func (o OBF) String() string { return redacted }

// GoString hides the token from %#v.
func (o OBF) GoString() string { return redacted }

// Format hides the token from every verb of fmt.
func (o OBF) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the token from log/slog.
func (o OBF) LogValue() slog.Value { return slog.StringValue(redacted) }

// OBF fetches an on-behalf-of token of the user of t for one meeting, whose
// number must satisfy MeetingNumber. Without a lifetime Zoom's own default
// applies, two hours. The scope is user:read:token.
func (c *Client) OBF(ctx context.Context, t Token, meetingID string, lifetime time.Duration) (OBF, error) {
	number, ok := MeetingNumber(meetingID)
	if !ok {
		return OBF{}, errors.New("fetching an on-behalf-of token: the meeting number must have 9 to 12 digits")
	}
	query := url.Values{"type": {"onbehalf"}, "meeting_id": {number}}
	life := obfLife
	if lifetime != 0 {
		life = clampTTL(lifetime)
		query.Set("ttl", seconds(life))
	}
	token, a, err := c.getToken(ctx, CallOBF, t, tokenAPI, query)
	if err != nil {
		return OBF{}, err
	}
	return OBF{Token: token, FetchedAt: a.at, ExpiresAt: a.at.Add(life)}, nil
}

func clampTTL(d time.Duration) time.Duration {
	return min(max(d.Truncate(time.Second), time.Second), maxTTL)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
