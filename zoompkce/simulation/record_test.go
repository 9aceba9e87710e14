package simulation

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// The world reads records as an auditor who has the secrets: which grant is in
// the store is no secret to it.

// view is what the world sees of a record.
type view struct {
	Grant *struct {
		AccessToken string    `json:"access_token"`
		DeadAt      time.Time `json:"dead_at"`
	} `json:"grant"`
	Sessions []struct {
		ID string `json:"id"`
	} `json:"sessions"`
	Programs []string `json:"programs"`
	Lease    *struct {
		Owner    string    `json:"owner"`
		Deadline time.Time `json:"deadline"`
	} `json:"lease"`
	Seq   uint64    `json:"seq"`
	Ended time.Time `json:"ended"`
}

// dying reports whether the grant is one that Zoom has ended.
func (v *view) dying() bool { return v != nil && v.Grant != nil && !v.Grant.DeadAt.IsZero() }

type recordKey struct {
	id          [8]byte
	aead, token cipher.AEAD
}

// recordKeys holds what was derived: deriving takes longer than all else here.
var recordKeys sync.Map

func deriveRecordKey(app string, secret []byte) (k recordKey) {
	if known, ok := recordKeys.Load(app + string(secret)); ok {
		return known.(recordKey)
	}
	defer func() { recordKeys.Store(app+string(secret), k) }()
	derive := func(purpose string, n int) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "zoom_pkce v1\x00"+app+"\x00"+purpose, n)
		if err != nil {
			panic(err)
		}
		return key
	}
	copy(k.id[:], derive("key id", 8))
	aead := func(purpose string) cipher.AEAD {
		block, err := aes.NewCipher(derive(purpose, 32))
		if err != nil {
			panic(err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			panic(err)
		}
		return aead
	}
	k.aead, k.token = aead("user record"), aead("program token")
	return k
}

// sealed reports whether a record is sealed with this key.
func (k recordKey) sealed(record []byte) bool {
	return len(record) > 9 && string(record[1:9]) == string(k.id[:])
}

// auditor opens and seals records under every secret there has been.
type auditor struct {
	app  string
	keys []recordKey
}

func (a *auditor) learn(secret []byte) {
	k := deriveRecordKey(a.app, secret)
	for _, known := range a.keys {
		if known.id == k.id {
			return
		}
	}
	a.keys = append(a.keys, k)
}

func (a *auditor) context(format byte, key string) []byte {
	return []byte("zoom_pkce record v" + strconv.Itoa(int(format)) + "\x00" + a.app + "\x00user record\x00" + key)
}

func (a *auditor) open(key string, sealed []byte) (plain []byte, k recordKey, err error) {
	for _, k := range a.keys {
		if k.sealed(sealed) {
			plain, err = k.aead.Open(nil, nil, sealed[9:], a.context(sealed[0], key))
			return plain, k, err
		}
	}
	return nil, k, errors.New("sealed under a secret that never was")
}

// keyOfUser is where the record of a user lies.
func keyOfUser(app, user string) string {
	sum := sha256.Sum256([]byte(user))
	name := hex.EncodeToString(sum[:])
	return "zoom_pkce/" + app + "/" + name[:2] + "/" + name
}

// lazily is a text that is made when the story is told.
type lazily func() string

func (f lazily) String() string { return f() }

func (w *world) describe(v *view) lazily {
	return func() string {
		switch {
		case v == nil:
			return "nothing"
		case !v.Ended.IsZero():
			return fmt.Sprintf("a tombstone, seq %d", v.Seq)
		}
		text := "no grant"
		if v.Grant != nil {
			text = fmt.Sprint(w.zoom.tokens[v.Grant.AccessToken])
		}
		if v.dying() {
			text += " (dead)"
		}
		text += fmt.Sprintf(", %d sessions, seq %d", len(v.Sessions), v.Seq)
		if v.Lease != nil {
			text += ", leased"
		}
		return text
	}
}
