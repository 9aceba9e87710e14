package caddymodule

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
)

// generatedSecretLen is what HMAC-SHA-256 and AES-256 can make use of.
const generatedSecretLen = 32

// keygen prints a fresh cookie secret: letters, digits, - and _, so that it
// can stand in a Caddyfile, an env file and a shell without quotes.
func keygen(w io.Writer) error {
	_, err := fmt.Fprintln(w, randomText())
	return err
}

// randomText is 32 random bytes in 43 characters.
func randomText() string {
	secret := make([]byte, generatedSecretLen)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}
