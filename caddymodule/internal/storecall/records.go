package storecall

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"strings"
)

// NewVersion returns 128 random bits as 32 hexadecimal digits, all lower case,
// because they become the name of a lock and file systems fold case.
func NewVersion() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// IsHexName reports whether s is that many hexadecimal digits in lower case.
func IsHexName(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// ErrDamaged means that a record is there and cannot be read.
var ErrDamaged = errors.New("record is damaged: restore it from a backup, or delete it to sign its user out")

// IsUserKey reports whether key ends in a shard and a SHA-256, as all records
// of users do; temporary files and directories do not.
func IsUserKey(key string) bool {
	dir, name := path.Split(key)
	return IsHexName(name, sha256.Size*2) && IsHexName(path.Base(dir), 2)
}
