package zoomtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
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

func (k PublicKey) acceptable() bool {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	}
	return false
}
