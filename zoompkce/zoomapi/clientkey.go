package zoomapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// An app can be switched from a client secret to a key of its own (BYOK,
// developers.zoom.us/docs/integrations/byok). Zoom has the public part, and each
// call to the token and revoke endpoints carries a JWT signed with the private
// one (RFC 7523 section 2.2).

const (
	assertionType  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife  = time.Minute
	minRSAKeyBits  = 2048
	maxRSAKeyBits  = 8192 // what is longer signs for a second
	maxClientKeyID = 256
)

type clientKey struct {
	private crypto.Signer
	method  jwt.SigningMethod
	id      string
}

// clientKey is nil for an app without one.
func (c Config) clientKey() (*clientKey, error) {
	switch {
	case c.ClientKey != "":
		return parseClientKey(c.ClientKey, c.ClientKeyID)
	case c.ClientKeyID != "":
		return nil, errors.New("client_key: there is a key id but no key")
	}
	return nil, nil
}

// parseClientKey reads the first private key of a PEM text. Its errors do not
// repeat any of it.
func parseClientKey(text, id string) (*clientKey, error) {
	if id != "" && !visibleASCII(id, maxClientKeyID) {
		return nil, errors.New("client_key: the key id must not contain spaces, line breaks or non-ASCII characters")
	}
	private, err := readPrivateKey([]byte(text))
	if err != nil {
		return nil, err
	}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits >= minRSAKeyBits && bits <= maxRSAKeyBits {
			return &clientKey{key, jwt.SigningMethodRS256, id}, nil
		}
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return &clientKey{key, jwt.SigningMethodES256, id}, nil
		}
	}
	return nil, errors.New("client_key: must be an RSA key of 2048 to 8192 bits or a P-256 key")
}

func readPrivateKey(text []byte) (private any, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			private, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("client_key: the private key is encrypted")
		default: // parameters or a certificate beside it
			continue
		}
		if err != nil {
			return nil, errors.New("client_key: the private key is damaged, or of an unknown kind")
		}
		return private, nil
	}
	return nil, errors.New("client_key: there is no private key in PEM")
}

// assertion proves who calls, once: a server that has seen its jti refuses it.
func (k *clientKey) assertion(clientID, audience string, now time.Time) (string, error) {
	token := jwt.NewWithClaims(k.method, jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if k.id != "" {
		token.Header["kid"] = k.id
	}
	return token.SignedString(k.private)
}

// asserter adds a fresh assertion to the form that a request carries. It is
// done here because golang.org/x/oauth2 takes no parameters for a refresh.
type asserter struct {
	base   http.RoundTripper
	client *Client
}

// RoundTrip implements http.RoundTripper.
func (a asserter) RoundTrip(req *http.Request) (*http.Response, error) {
	defer req.Body.Close()
	form, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	// The audience is the token endpoint, of revocations too (RFC 7523 section 3).
	assertion, err := a.client.key.assertion(a.client.oauth.ClientID, a.client.oauth.Endpoint.TokenURL, time.Now())
	if err != nil {
		return nil, err
	}
	proof := url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}
	signed := string(form) + "&" + proof.Encode()
	req = req.Clone(req.Context())
	req.ContentLength = int64(len(signed))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(signed)), nil }
	req.Body, _ = req.GetBody()
	return a.base.RoundTrip(req)
}

var _ http.RoundTripper = asserter{}
