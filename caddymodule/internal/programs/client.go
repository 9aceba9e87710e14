package programs

import (
	"errors"
	"strings"
	"unicode"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Client is what may ask to become a program.
type Client struct {
	ID           string
	Name         string // "" if it has none
	RedirectURIs []string

	kind zoompkce.ClientKind
	host string // of the document that describes it
}

// ErrBadClient means that a client id or redirect URI is not known here: nothing
// may be sent to where the request asks for (RFC 6749, section 4.1.2.1).
var ErrBadClient = errors.New("the client or its redirect URI is not known")

// CheckClientID tells what is wrong with the id of a configured client. A colon
// is what sets the ids of all others apart.
func CheckClientID(id string) error {
	switch {
	case id == "":
		return errors.New("is empty")
	case len(id) > maxClientID:
		return errors.New("is longer than 200 bytes")
	case strings.ContainsFunc(id, func(r rune) bool { return invisible(r) || r == ':' || r == '"' || r == '\\' }):
		return errors.New(`must be visible ASCII without colons, quotes and backslashes`)
	}
	return nil
}

const maxClientID = 200

// invisible reports whether a character is not one of visible ASCII.
func invisible(r rune) bool { return r < '!' || r > '~' }

// displayName is what the client is called in front of a user.
func (c *Client) displayName() string {
	switch name := cleanName(c.Name); {
	case name != "":
		return name
	case c.verified():
		return c.ID
	}
	return "A program without a name"
}

// verified reports whether the operator vouches for the client.
func (c *Client) verified() bool { return c.kind == zoompkce.ConfiguredClient }

// of is what a program keeps of the client.
func (c *Client) of(redirect redirectTarget) zoompkce.ProgramClient {
	program := zoompkce.ProgramClient{
		Kind: c.kind, Hash: zoompkce.HashClientID(c.ID), Name: c.displayName(), Redirect: redirect.shown(),
	}
	if c.host != "" {
		program.Document = zoompkce.HashClientID(c.host)
	}
	return program
}

// maxName bounds the name of a client in a page, in bytes, and maxMarks the marks on
// one of its letters: a heap of them covers the lines around.
const (
	maxName  = 100
	maxMarks = 4
)

// unseen are characters that leave a gap or nothing, beside those of the category Cf.
var unseen = []*unicode.RangeTable{
	unicode.Other_Default_Ignorable_Code_Point,
	{R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}}, // braille without a dot
}

// cleanName makes a name that anybody may have chosen fit for a page: nothing in
// it moves, hides or turns around what stands beside it.
func cleanName(name string) string {
	marks := 0
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.In(r, unseen...) || r == unicode.ReplacementChar {
			return -1 // bidi marks and zero-width characters among them
		}
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		switch {
		case marks > maxMarks:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.Join(strings.Fields(name), " ")
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "") + "…"
}
