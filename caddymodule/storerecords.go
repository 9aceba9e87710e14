package caddymodule

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
)

// newVersion returns 128 random bits as 32 hexadecimal digits, all lower case,
// because they become the name of a lock and file systems fold case.
func newVersion() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// isHexName reports whether s is that many hexadecimal digits in lower case.
func isHexName(s string, digits int) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == digits
}

// errDamaged means that a record is there and cannot be read.
var errDamaged = errors.New("record is damaged: restore it from a backup, or delete it to sign its user out")

// isUserKey reports whether key ends in a shard and a SHA-256, as all records
// of users do; temporary files and directories do not.
func isUserKey(key string) bool {
	dir, name := path.Split(key)
	return isHexName(name, sha256.Size*2) && isHexName(path.Base(dir), 2)
}
