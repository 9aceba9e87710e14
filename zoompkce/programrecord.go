package zoompkce

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// program is a program in a user record.
type program struct {
	ID     sessionID
	Client ProgramClient

	// Generation counts the refreshes, from 1. Used tells that a token of it
	// came: then its client has it, and needs the one before no more.
	Generation uint32
	Used       bool

	Created   int64 // Unix seconds
	Refreshed int64 // Unix seconds, when the generation began
	Seen      int64 // days since 1970
}

// pendingProgram is a program whose code was not redeemed yet.
type pendingProgram struct {
	ID      sessionID `json:"id"`
	Created int64     `json:"created"` // Unix seconds
}

const (
	// codeLife is how long a code is good, in seconds (RFC 6749, section 4.1.2,
	// wants it short).
	codeLife = 60
	// maxPending is how many codes of a user may be waiting.
	maxPending = 5
)

// In a record a program is one string, so that it takes 200 bytes at most
// whatever its client is called.
const (
	programFormat    = 1
	maxProgramName   = 40
	maxProgramTarget = 56
)

var errProgramEntry = errors.New("an entry is not a program")

// MarshalText implements encoding.TextMarshaler.
func (p program) MarshalText() ([]byte, error) {
	var flags byte
	if p.Used {
		flags = 1
	}
	b := append(make([]byte, 0, 160), programFormat, byte(p.Client.Kind), flags)
	b = append(b, p.ID[:]...)
	b = append(b, p.Client.Hash[:]...)
	b = append(b, p.Client.Document[:]...)
	for _, n := range []int64{int64(p.Generation), p.Created, p.Refreshed, p.Seen} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, s := range []string{p.Client.Name, p.Client.Redirect} {
		b = append(append(b, byte(len(s))), s...)
	}
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *program) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(b) < 3+16+8+8 || b[0] != programFormat {
		return errProgramEntry
	}
	p.Client.Kind, p.Used = ClientKind(b[1]), b[2]&1 != 0
	b = b[3:]
	b = b[copy(p.ID[:], b):]
	b = b[copy(p.Client.Hash[:], b):]
	b = b[copy(p.Client.Document[:], b):]
	var generation int64
	for _, n := range []*int64{&generation, &p.Created, &p.Refreshed, &p.Seen} {
		value, size := binary.Uvarint(b)
		if size <= 0 {
			return errProgramEntry
		}
		*n, b = int64(value), b[size:]
	}
	p.Generation = uint32(generation)
	for _, s := range []*string{&p.Client.Name, &p.Client.Redirect} {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return errProgramEntry
		}
		*s, b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	return nil
}

// kept returns what a record keeps of a client. Of where codes go the end tells
// whose it is: the rest of a host name is its owner's to choose.
func (c ProgramClient) kept() ProgramClient {
	if len(c.Name) > maxProgramName {
		cut := maxProgramName
		for !utf8.RuneStart(c.Name[cut]) {
			cut--
		}
		c.Name = c.Name[:cut]
	}
	if extra := len(c.Redirect) - maxProgramTarget; extra > 0 {
		c.Redirect = c.Redirect[extra:]
	}
	return c
}

// KeptRedirect reports whether host is what a record keeps as the Redirect of a
// client.
func (c ProgramClient) KeptRedirect(host string) bool {
	return c.Redirect == host || len(c.Redirect) == maxProgramTarget && strings.HasSuffix(host, c.Redirect)
}

func (r *record) program(id sessionID) *program {
	for i := range r.Programs {
		if r.Programs[i].ID == id {
			return &r.Programs[i]
		}
	}
	return nil
}

func (r *record) pending(id sessionID) *pendingProgram {
	for i := range r.Pending {
		if r.Pending[i].ID == id {
			return &r.Pending[i]
		}
	}
	return nil
}

// beginProgram makes a program of a pending one.
func (r *record) beginProgram(id sessionID, client ProgramClient, now time.Time) {
	r.Pending = slices.DeleteFunc(r.Pending, func(p pendingProgram) bool { return p.ID == id })
	r.Programs = append(r.Programs, program{
		ID: id, Client: client.kept(), Generation: 1, Created: now.Unix(), Refreshed: now.Unix(), Seen: dayOf(now),
	})
}

// addLostPrograms adds the programs that began after the record was written, and
// the generations, with what is known of their use: a refresh token whose successor was used
// must not count again.
func (r *record) addLostPrograms(newer *record) {
	for _, p := range newer.Programs {
		switch known := r.program(p.ID); {
		case known != nil:
			if p.Generation >= known.Generation {
				*known = p
			}
		case p.Created >= r.Grant.SavedAt.Unix():
			r.Programs = append(r.Programs, p)
		}
	}
}

// unheard reports whether the client of a program may have no tokens yet, and its code
// still counts.
func (p *program) unheard(now time.Time) bool {
	return p.Generation == 1 && !p.Used && now.Unix()-p.Created < codeLife
}

func (r *record) endProgram(id sessionID) {
	r.Programs = slices.DeleteFunc(r.Programs, func(p program) bool { return p.ID == id })
}

// unused reports whether nobody needs the grant any more. A code that nobody has come
// for is no program yet: nobody would look again when it is over.
func (r *record) unused() bool { return len(r.Sessions)+len(r.Programs) == 0 }

// prunePrograms drops the programs that are over, the longest unused ones beyond
// the most a user may have, and codes that nobody has redeemed.
func (r *record) prunePrograms(now time.Time, life programLife) {
	r.Pending = slices.DeleteFunc(r.Pending, func(p pendingProgram) bool { return now.Unix()-p.Created >= codeLife })
	r.Programs = slices.DeleteFunc(r.Programs, func(p program) bool { return !now.Before(life.end(&p)) })
	if extra := len(r.Programs) - life.count; extra > 0 && life.count > 0 {
		slices.SortStableFunc(r.Programs, func(a, b program) int {
			return cmp.Or(cmp.Compare(a.Seen, b.Seen), cmp.Compare(a.Refreshed, b.Refreshed))
		})
		r.Programs = slices.Delete(r.Programs, 0, extra)
	}
}
