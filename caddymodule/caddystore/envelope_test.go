package caddystore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/storecall"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	for _, value := range []string{"", "x", "two\nlines\n", "zoom_pkce/1 "} {
		e := newEnvelope([]byte(value), time.UnixMilli(1_800_000_000_123))
		got, err := parseEnvelope(e.marshal())
		if err != nil || got.version != e.version || got.expires != 1_800_000_000_123 || string(got.value) != value {
			t.Errorf("%q came back as %+v, %v", value, got, err)
		}
	}
}

// What lies in storages today can be read by later versions.
func TestEnvelopeOfToday(t *testing.T) {
	const stored = "zoom_pkce/1 00112233445566778899aabbccddeeff 1800000000123 4fc2f41a\nsealed"
	e, err := parseEnvelope([]byte(stored))
	if err != nil || e.version != "00112233445566778899aabbccddeeff" || e.expires != 1_800_000_000_123 || string(e.value) != "sealed" {
		t.Errorf("got %+v, %v", e, err)
	}
	if got := string(e.marshal()); got != stored {
		t.Errorf("wrote %q", got)
	}
}

func TestEnvelopeExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			expires time.Time
			expired bool
		}{
			"never":              {time.Time{}, false},
			"in a millisecond":   {time.Now().Add(time.Millisecond), false},
			"now":                {time.Now(), true},
			"in 1970":            {time.Unix(0, 0), true},
			"before the Beatles": {time.Unix(-1e9, 0), true},
		} {
			e := newEnvelope(nil, test.expires)
			if e.expired() != test.expired || (e.live() == "") != test.expired {
				t.Errorf("%s: expired: %v, live: %q", name, e.expired(), e.live())
			}
		}
	})
}

// A record whose expiry was damaged must not look expired: what is expired is
// absent, and what is absent may be overwritten.
func TestEnvelopeNoticesAnyDamagedByte(t *testing.T) {
	data := newEnvelope([]byte("sealed value"), time.Now().Add(time.Hour)).marshal()
	for i := range data {
		for _, bit := range []byte{0x01, 0x08, 0x80} {
			damaged := append([]byte(nil), data...)
			damaged[i] ^= bit
			if _, err := parseEnvelope(damaged); !errors.Is(err, storecall.ErrDamaged) {
				t.Errorf("byte %d, bit %#x: %v", i, bit, err)
			}
		}
		if _, err := parseEnvelope(data[:i]); !errors.Is(err, storecall.ErrDamaged) {
			t.Errorf("cut off after %d bytes: %v", i, err)
		}
	}
	if _, err := parseEnvelope(append(data, 0)); !errors.Is(err, storecall.ErrDamaged) {
		t.Errorf("with a byte too many: %v", err)
	}
	// Nor may one whose sum is right, and whose expiry is none.
	head := "zoom_pkce/1 " + strings.Repeat("0", 32) + " soon "
	if _, err := parseEnvelope(fmt.Appendf(nil, "%s%08x\nx", head, envelopeSum([]byte(head), []byte("x")))); !errors.Is(err, storecall.ErrDamaged) {
		t.Errorf("with a word for its expiry: %v", err)
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add(newEnvelope([]byte("x"), time.Time{}).marshal())
	f.Add([]byte("zoom_pkce/1 "))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEnvelope(data)
		if err == nil && string(e.marshal()) != string(data) {
			t.Errorf("%q is read, but not what would be written", data)
		}
		if err != nil && (e.version != "" || e.value != nil) {
			t.Errorf("%q gives an error and a record", data)
		}
	})
}
