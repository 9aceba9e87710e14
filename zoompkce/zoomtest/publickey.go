package zoomtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// A PublicKey is a key that an app brought to Zoom.
type PublicKey struct {
	// ID is the key id (kid), which a client assertion may name. Empty: the
	// key was registered without one, and no assertion that names a key
	// matches it.
	ID string

	// Key is an *rsa.PublicKey of 2,048 bits or more or an *ecdsa.PublicKey on
	// P-256; Zoom takes no others.
	Key crypto.PublicKey
}

// ParseJWK reads a public key in the form in which it is registered at Zoom, a
// single JWK (RFC 7517). It refuses one that Zoom would not take, and one that
// holds a private key, which nobody should paste into a web page.
func ParseJWK(text string) (PublicKey, error) {
	var jwk struct{ Kty, Kid, Use, Alg, Crv, N, E, X, Y, D string }
	if err := json.Unmarshal([]byte(text), &jwk); err != nil {
		return PublicKey{}, errors.New("this is no JWK in JSON")
	}
	key := PublicKey{ID: jwk.Kid}
	alg := ""
	switch {
	case jwk.D != "":
		return PublicKey{}, errors.New("this JWK holds a private key")
	case jwk.Kty == "RSA":
		alg = "RS256"
		key.Key = rsaJWK(jwk.N, jwk.E)
	case jwk.Kty == "EC" && jwk.Crv == "P-256":
		alg = "ES256"
		key.Key = ecJWK(jwk.X, jwk.Y)
	}
	switch {
	case !key.acceptable():
		return PublicKey{}, errors.New("a public key is RSA of 2,048 bits or more, or P-256")
	case jwk.Alg != "" && jwk.Alg != alg || jwk.Use != "" && jwk.Use != "sig":
		return PublicKey{}, fmt.Errorf("this key is not for signing with %s", alg)
	}
	return key, nil
}

// rsaJWK returns nil if the members make no key.
func rsaJWK(n, e string) crypto.PublicKey {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	exponent, err2 := base64.RawURLEncoding.DecodeString(e)
	if err != nil || err2 != nil || len(exponent) == 0 || len(exponent) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
}

// ecJWK returns nil if the members are no point of the curve.
func ecJWK(x, y string) crypto.PublicKey {
	point := []byte{4} // uncompressed
	for _, member := range []string{x, y} {
		b, _ := base64.RawURLEncoding.DecodeString(member) // of three bytes a time, up to a mistake
		if len(b) != 32 {                                  // leading zeros stay (RFC 7518 section 6.2.1.2)
			return nil
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil
	}
	return key
}

func (k PublicKey) acceptable() bool {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	}
	return false
}
