package doctor

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
)

// generatedSecretLen is what HMAC-SHA-256 and AES-256 can make use of.
const generatedSecretLen = 32

// keygen prints a fresh cookie secret: letters, digits, - and _, so that it
// can stand in a Caddyfile, an env file and a shell without quotes. About one
// in a million spells "your-" or the like by chance: the doctor would refuse
// it, so it is not handed out.
func keygen(w io.Writer) error {
	secret := randomText()
	for weakness([]byte(secret)) != "" {
		secret = randomText()
	}
	_, err := fmt.Fprintln(w, secret)
	return err
}

// randomText is 32 random bytes in 43 characters.
func randomText() string {
	secret := make([]byte, generatedSecretLen)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}
