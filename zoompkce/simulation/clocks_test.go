package simulation

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// A process whose clock is wrong writes wrong times, into records and into what it seals for
// programs, and takes those of others for wrong ones. In a bubble all have one clock: so the world
// sets off the times in what they write and read.

// shift sets the times of a record off, and reads it.
func (a *auditor) shift(key string, sealed []byte, by time.Duration) ([]byte, *view, error) {
	plain, k, err := a.open(key, sealed)
	if err != nil {
		return nil, nil, err
	}
	if by != 0 {
		plain = shiftTimes(plain, by)
		sealed = k.aead.Seal(append([]byte{}, sealed[:9]...), nil, plain, a.context(sealed[0], key))
	}
	v := new(view)
	return sealed, v, json.Unmarshal(plain, v)
}

// shiftTimes sets the times off in what was sealed.
func shiftTimes(plain []byte, by time.Duration) []byte {
	quote, inPrograms := []byte(`"`), false
	texts := bytes.Split(plain, quote)
	for n, text := range texts {
		switch {
		case string(text) == "programs":
			inPrograms = true
		case inPrograms && bytes.IndexByte(text, ']') >= 0:
			inPrograms = false
		case inPrograms:
			texts[n] = shiftProgram(text, by)
		case string(text) == "created":
			texts[n+1] = shiftNumber(texts[n+1], by)
		case len(text) > 10 && text[10] == 'T':
			if t, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
				texts[n] = t.Add(by).AppendFormat(nil, time.RFC3339Nano)
			}
		}
	}
	return bytes.Join(texts, quote)
}

// shiftNumber sets off the time in ":123,": seconds, or milliseconds where it is that large.
func shiftNumber(text []byte, by time.Duration) []byte {
	end := bytes.IndexAny(text, ",}")
	n, err := strconv.ParseInt(string(text[1:end]), 10, 64)
	if err != nil {
		panic(err)
	}
	unit := time.Second
	if n > 1e11 {
		unit = time.Millisecond
	}
	return append(strconv.AppendInt([]byte(":"), n+int64(by.Round(unit)/unit), 10), text[end:]...)
}

// shiftProgram sets off the times in the entry of a program.
func shiftProgram(text []byte, by time.Duration) []byte {
	const head = 3 + 16 + 8 + 8
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil {
		return text // what stands between two entries
	}
	whole, rest := b[:head:head], b[head:]
	for field := range 3 { // generation, created, refreshed
		n, size := binary.Uvarint(rest)
		if rest = rest[size:]; field > 0 {
			n += uint64(by.Round(time.Second) / time.Second)
		}
		whole = binary.AppendUvarint(whole, n)
	}
	return base64.RawURLEncoding.AppendEncode(nil, append(whole, rest...))
}

// shiftToken sets off the time in an access or refresh token of a program.
func (a *auditor) shiftToken(value string, by time.Duration) string {
	const issued = 1 + 32 + 16 + 4
	if by == 0 {
		return value
	}
	prefix := value[:len("zpk__a_")+len(a.app)]
	kind := prefix[len(prefix)-2 : len(prefix)-1]
	context := []byte("zoom_pkce token v1\x00" + kind + "\x00")
	sealed, err := base64.RawURLEncoding.DecodeString(value[len(prefix):])
	if err != nil {
		panic(err)
	}
	for _, k := range a.keys {
		plain, err := k.token.Open(nil, nil, sealed, context)
		if err != nil {
			continue
		}
		at := plain[issued : issued+8]
		binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)+uint64(by.Round(time.Second)/time.Second))
		return prefix + base64.RawURLEncoding.EncodeToString(k.token.Seal(nil, nil, plain, context))
	}
	panic("sealed under a secret that never was")
}
