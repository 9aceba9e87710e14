package caddystore

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

// envelopeMark begins every file of this format. Whatever does not is not ours
// to overwrite.
const envelopeMark = "zoom_pkce/1"

// envelope is a record as it lies in a storage that knows neither versions nor
// expiry: one line of text and the value.
//
//	zoom_pkce/1 <version> <expiry, Unix milliseconds, 0: never> <CRC-32C>
//
// The checksum is no protection against anybody, values are sealed; it keeps a
// damaged expiry from turning a record into an absent one. An envelope without
// version stands for no record at all.
type envelope struct {
	version string
	expires int64
	value   []byte
}

func newEnvelope(value []byte, expires time.Time) envelope {
	e := envelope{version: storecall.NewVersion(), value: value}
	if !expires.IsZero() {
		e.expires = max(1, expires.UnixMilli())
	}
	return e
}

func (e envelope) marshal() []byte {
	head := fmt.Appendf(nil, "%s %s %d ", envelopeMark, e.version, e.expires)
	head = fmt.Appendf(head, "%08x\n", envelopeSum(head, e.value))
	return append(head, e.value...)
}

func parseEnvelope(data []byte) (envelope, error) {
	head, value, found := bytes.Cut(data, []byte("\n"))
	fields := bytes.Split(head, []byte(" "))
	if !found || len(fields) != 4 || string(fields[0]) != envelopeMark || !storecall.IsHexName(string(fields[1]), 32) {
		return envelope{}, storecall.ErrDamaged
	}
	expires, err := strconv.ParseInt(string(fields[2]), 10, 64)
	sum := envelopeSum(head[:len(head)-len(fields[3])], value)
	if err != nil || string(fields[3]) != fmt.Sprintf("%08x", sum) {
		return envelope{}, storecall.ErrDamaged
	}
	return envelope{version: string(fields[1]), expires: expires, value: value}, nil
}

func envelopeSum(head, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(head, table), table, value)
}

// expired reports whether there is a record that is over.
func (e envelope) expired() bool {
	return e.expires != 0 && time.Now().UnixMilli() >= e.expires
}

// live returns the version a caller of the store gets to see: none if there is
// no record or one that has expired.
func (e envelope) live() string {
	if e.expired() {
		return ""
	}
	return e.version
}
