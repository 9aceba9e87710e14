package zoomapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
)

// JWK is the public part of an app's own key, as it is registered at Zoom (RFC
// 7517). There is nothing secret in it.
type JWK struct {
	// KeyType is "EC" or "RSA".
	KeyType string `json:"kty"`
	// Use is "sig".
	Use string `json:"use"`
	// Algorithm is "ES256" or "RS256".
	Algorithm string `json:"alg"`
	// KeyID names the key.
	KeyID string `json:"kid"`
	// Curve, X and Y are those of an EC key.
	Curve string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
	// N and E are those of an RSA key.
	N string `json:"n,omitempty"`
	E string `json:"e,omitempty"`
}

// GenerateClientKey returns a new P-256 key for Config.ClientKey, in PEM. The error is
// always nil: where there is no randomness crypto/rand ends the program.
func GenerateClientKey() (string, error) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(key) // which knows this curve
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// ClientJWK returns the public part of a key for Config.ClientKey. Its KeyID is
// keyID or, where that is empty, the key's thumbprint (RFC 7638), which then
// belongs into Config.ClientKeyID. Errors name client_key and never repeat any
// of the key.
func ClientJWK(privateKey, keyID string) (JWK, error) {
	key, err := parseClientKey(privateKey, keyID)
	if err != nil {
		return JWK{}, err
	}
	text := base64.RawURLEncoding.EncodeToString
	j := JWK{Use: "sig", Algorithm: key.method.Alg(), KeyID: keyID}
	var members string // the required ones, in the order of RFC 7638 section 3.3
	switch public := key.private.Public().(type) {
	case *rsa.PublicKey:
		j.KeyType = "RSA"
		j.N, j.E = text(public.N.Bytes()), text(big.NewInt(int64(public.E)).Bytes())
		members = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, j.E, j.N)
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // 4, x, y: a key that was read has a point
		j.KeyType, j.Curve = "EC", "P-256"
		j.X, j.Y = text(point[1:33]), text(point[33:])
		members = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, j.X, j.Y)
	}
	if keyID == "" {
		sum := sha256.Sum256([]byte(members))
		j.KeyID = text(sum[:])
	}
	return j, nil
}
