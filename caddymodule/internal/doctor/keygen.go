package doctor

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// generatedSecretLen is what HMAC-SHA-256 and AES-256 can make use of.
const generatedSecretLen = 32

// keygen prints a fresh secret: letters, digits, - and _, so that it
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

// clientKeygen prints a fresh key for an app that has one of its own at Zoom, and
// its public part. What follows the private key does no harm in its file.
func clientKeygen(w io.Writer) error {
	key, _ := zoomapi.GenerateClientKey() // whose error is always nil
	jwk, _ := publicKey(key, "")          // nothing can be wrong with a key that was just made
	_, err := fmt.Fprintf(w, "%s\n%s\n", key, jwk)
	return err
}

// publicKey is the public part of a client key, as it is entered at Zoom.
func publicKey(privateKey, id string) (string, error) {
	jwk, err := zoomapi.ClientJWK(privateKey, id)
	if err != nil {
		return "", err
	}
	text, _ := json.Marshal(jwk) // texts
	return string(text), nil
}

// randomText is 32 random bytes in 43 characters.
func randomText() string {
	secret := make([]byte, generatedSecretLen)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}
