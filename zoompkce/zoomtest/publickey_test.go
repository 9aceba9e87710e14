package zoomtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
)

// jwkOf writes a public key as RFC 7518 section 6 says.
func jwkOf(t *testing.T, key crypto.PublicKey, changes map[string]any) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kid": "k1", "use": "sig"}
	switch key := key.(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["alg"] = "RSA", "RS256"
		jwk["n"], jwk["e"] = b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		jwk["kty"], jwk["alg"], jwk["crv"] = "EC", "ES256", "P-256"
		jwk["x"], jwk["y"] = b64(point[1:33]), b64(point[33:])
	}
	mergeExtra(jwk, changes)
	text, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestParseJWK(t *testing.T) {
	for _, private := range []crypto.Signer{rsaKey(t), ecKey(t)} {
		public := private.Public()
		for _, changes := range []map[string]any{nil, {"kid": nil, "alg": nil, "use": nil}} {
			key, err := ParseJWK(jwkOf(t, public, changes))
			if err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Key) || (key.ID == "k1") != (changes == nil) {
				t.Errorf("%T: %+v, %v", public, key, err)
			}
		}
	}
}

func TestParseJWKRefuses(t *testing.T) {
	rsaPublic, ecPublic := rsaKey(t).Public(), ecKey(t).Public()
	more := func(key crypto.PublicKey, member string) string {
		var jwk map[string]string
		if err := json.Unmarshal([]byte(jwkOf(t, key, nil)), &jwk); err != nil {
			t.Fatal(err)
		}
		return jwk[member] + "!"
	}
	if _, err := ParseJWK(jwkOf(t, rsaPublic, map[string]any{"e": "AAEAAQ"})); err != nil {
		t.Errorf("an exponent with a zero before it: %v", err)
	}
	for name, text := range map[string]string{
		"no JSON":               "-----BEGIN PUBLIC KEY-----",
		"a set":                 `{"keys":[` + jwkOf(t, ecPublic, nil) + `]}`,
		"a private key":         jwkOf(t, ecPublic, map[string]any{"d": "AAAA"}),
		"a shared secret":       `{"kty":"oct","k":"AAAA"}`,
		"another curve":         jwkOf(t, ecPublic, map[string]any{"crv": "P-384"}),
		"no point of the curve": jwkOf(t, ecPublic, map[string]any{"y": base64.RawURLEncoding.EncodeToString(make([]byte, 32))}),
		"a shorter x":           jwkOf(t, ecPublic, map[string]any{"x": "AAAA"}),
		"more than x":           jwkOf(t, ecPublic, map[string]any{"x": more(ecPublic, "x")}),
		"more than a modulus":   jwkOf(t, rsaPublic, map[string]any{"n": more(rsaPublic, "n")}),
		"more than an exponent": jwkOf(t, rsaPublic, map[string]any{"e": "AQAB!"}),
		"a long exponent":       jwkOf(t, rsaPublic, map[string]any{"e": "AAABAAE"}),
		"a number for text":     jwkOf(t, rsaPublic, map[string]any{"y": 1}),
		"padding":               jwkOf(t, ecPublic, map[string]any{"x": "AAA="}),
		"a short modulus":       jwkOf(t, rsaPublic, map[string]any{"n": "AQAB"}),
		"no exponent":           jwkOf(t, rsaPublic, map[string]any{"e": nil}),
		"another algorithm":     jwkOf(t, rsaPublic, map[string]any{"alg": "PS256"}),
		"for encryption":        jwkOf(t, ecPublic, map[string]any{"use": "enc"}),
	} {
		if key, err := ParseJWK(text); err == nil {
			t.Errorf("%s: %+v", name, key)
		}
	}
}
