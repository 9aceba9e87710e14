package zoomapi

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"
)

const (
	maxIDLength    = 256
	maxEmailLength = 254  // RFC 5321 section 4.5.3.1.3, less the angle brackets
	maxNameLength  = 1024 // first and last name may have 64 letters each, of up to four bytes
)

// Profile is who a Zoom user is.
type Profile struct {
	// ID is the Zoom user id: printable ASCII without spaces. The identity to
	// key on.
	ID string `json:"id"`

	// AccountID is the id of the Zoom account the user belongs to, of the same
	// alphabet. Zoom counts it as personal data. Default: empty, if Zoom does
	// not say.
	AccountID string `json:"account_id,omitempty"`

	// Email is the address of the user, only if Zoom calls it verified. It has
	// exactly one "@" and no spaces or control characters. Default: empty.
	Email string `json:"email,omitempty"`

	// Name is the display name, free text of at most 1 KiB. Default: empty.
	Name string `json:"name,omitempty"`
}

// Me asks Zoom whose token t is.
//
// An app without the scope for that (user:read:user) still gets the ids, from
// the claims of the access token, but neither e-mail nor name. Without them in
// the token the error for the missing scope is returned.
func (c *Client) Me(ctx context.Context, t Token) (Profile, error) {
	var p Profile
	err := c.get(ctx, CallMe, t, "/v2/users/me", nil, func(a *answer) (err error) {
		p, err = decodeProfile(a.body)
		return err
	})
	if KindOf(err) == KindMissingScope {
		if id, account := accessTokenIdentity(t.AccessToken); id != "" {
			return Profile{ID: id, AccountID: account}, nil
		}
	}
	if err != nil {
		return Profile{}, err
	}
	return p, nil
}

func decodeProfile(body []byte) (Profile, error) {
	var wire struct {
		ID          json.RawMessage `json:"id"`
		AccountID   json.RawMessage `json:"account_id"`
		Email       json.RawMessage `json:"email"`
		Verified    json.RawMessage `json:"verified"`
		DisplayName json.RawMessage `json:"display_name"`
		FirstName   json.RawMessage `json:"first_name"`
		LastName    json.RawMessage `json:"last_name"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return Profile{}, errNotJSON
	}
	p := Profile{ID: jsonText(wire.ID), AccountID: jsonText(wire.AccountID)}
	if !validID(p.ID) {
		return Profile{}, malformed("id")
	}
	if p.AccountID != "" && !validID(p.AccountID) {
		return Profile{}, malformed("account_id")
	}
	// Anything but the number 1 is "not verified": an unverified address is
	// free text, and a rule on its domain would let anybody in.
	if email := jsonText(wire.Email); string(wire.Verified) == "1" && validEmail(email) {
		p.Email = email
	}
	p.Name = boundedName(jsonText(wire.DisplayName))
	if strings.TrimSpace(p.Name) == "" {
		p.Name = boundedName(strings.TrimSpace(jsonText(wire.FirstName) + " " + jsonText(wire.LastName)))
	}
	return p, nil
}

// validEmail wants exactly one "@": with attacker@evil.example@company.example
// two readers can disagree about the domain (GHSA-c5c4-8r6x-56w3).
func validEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || len(s) > maxEmailLength {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar
	})
}

// boundedName cuts a name that is longer than any of Zoom's. It stays the free
// text that it is: escaping is left to the place where it is shown.
func boundedName(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxNameLength)], "")
}

func validID(s string) bool { return visibleASCII(s, maxIDLength) }
