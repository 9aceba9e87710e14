// Package scrub takes names off a request: headers in every spelling, what Connection
// and trailers say of them, and cookies. Which names, and what is set in their place,
// is for its callers to know.
package scrub

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Headers are the names a client may not use: every header this directive
// vouches for towards the upstream, in every spelling an upstream could take
// for the real one.
type Headers struct {
	names   []scrubbedName
	lengths uint64 // bit n%64 is set when one of the names has n bytes
}

type scrubbedName struct {
	folded    string
	canonical string
}

// NewHeaders prepares the given header names. Their order,
// case and repetition do not matter.
func NewHeaders(names []string) *Headers {
	s := new(Headers)
	for _, name := range names {
		if _, known := s.lookup(name); name == "" || known {
			continue
		}
		s.names = append(s.names, scrubbedName{
			folded:    FoldName(name),
			canonical: http.CanonicalHeaderKey(name),
		})
		s.lengths |= 1 << (uint(len(name)) % 64)
	}
	return s
}

// Remove removes the headers from r, in place: from its header, from
// the trailers that are announced or will arrive at the end of the body, and
// from the names listed in Connection. keep, which may be nil, is asked with
// the canonical name and saves a header that an earlier handler of this
// request has set; only that exact spelling is saved, and never a trailer.
func (s *Headers) Remove(r *http.Request, keep func(canonical string) bool) {
	for key := range r.Header {
		name, ours := s.lookup(key)
		if !ours || key == name.canonical && keep != nil && keep(key) {
			continue
		}
		delete(r.Header, key)
	}

	// A proxy drops what Connection names (RFC 9110, section 7.6.1), so a
	// client could use it to take the identity off its own request.
	s.scrubList(r.Header, "Connection")
	s.scrubList(r.Header, "Trailer")

	s.scrubTrailers(r)
}

// lookup returns the name that header key stands for, if it is one of ours.
func (s *Headers) lookup(key string) (scrubbedName, bool) {
	if s.lengths>>(uint(len(key))%64)&1 == 0 {
		return scrubbedName{}, false
	}
	for _, name := range s.names {
		if foldsTo(key, name.folded) {
			return name, true
		}
	}
	return scrubbedName{}, false
}

// scrubList drops our names from the comma-separated values of a header. All
// other tokens keep their order; lines without one of our names keep their
// bytes.
func (s *Headers) scrubList(h http.Header, key string) {
	lines, ok := h[key]
	if !ok || !s.listed(lines) {
		return
	}
	kept := make([]string, 0, len(lines))
	for _, line := range lines {
		if !s.listed([]string{line}) {
			kept = append(kept, line)
			continue
		}
		var tokens []string
		for token := range strings.SplitSeq(line, ",") {
			token = textproto.TrimString(token)
			if _, ours := s.lookup(token); token != "" && !ours {
				tokens = append(tokens, token)
			}
		}
		if len(tokens) > 0 {
			kept = append(kept, strings.Join(tokens, ", "))
		}
	}
	if len(kept) == 0 {
		delete(h, key)
		return
	}
	h[key] = kept
}

// listed reports whether a comma-separated list names one of our headers.
func (s *Headers) listed(lines []string) bool {
	for _, line := range lines {
		for more := true; more; {
			var token string
			token, line, more = strings.Cut(line, ",")
			if _, ours := s.lookup(textproto.TrimString(token)); ours {
				return true
			}
		}
	}
	return false
}

// foldByte maps a byte of a header name to what the most generous upstream
// makes of it. CGI joins '-' and '_' (RFC 3875, section 4.1.18), PHP adds '.',
// and gateways exist that turn every other punctuation mark into '_' as well.
var foldByte = func() (table [256]byte) {
	for i := range table {
		b := byte(i)
		switch {
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b >= 0x80:
			table[i] = b
		case b >= 'A' && b <= 'Z':
			table[i] = b + 'a' - 'A'
		default:
			table[i] = '-'
		}
	}
	return table
}()

// FoldName maps every spelling of a name that an upstream could take for it to one.
func FoldName(name string) string {
	folded := make([]byte, len(name))
	for i := range folded {
		folded[i] = foldByte[name[i]]
	}
	return string(folded)
}

// foldsTo reports whether name folds to folded.
func foldsTo(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	// Names that differ mostly do so at the end: "X-" starts half of them.
	for i := len(name) - 1; i >= 0; i-- {
		if foldByte[name[i]] != folded[i] {
			return false
		}
	}
	return true
}
