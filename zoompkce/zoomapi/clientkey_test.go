package zoomapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string { return inPEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

// checkAssertion is what a strict authorization server does (RFC 7523 section 3).
func checkAssertion(t *testing.T, form url.Values, public crypto.PublicKey, alg, kid, tokenURL string) (jti string) {
	t.Helper()
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || len(form["client_assertion"]) != 1 {
		t.Fatalf("form %v", form)
	}
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(form.Get("client_assertion"), claims, func(*jwt.Token) (any, error) { return public, nil },
		jwt.WithValidMethods([]string{alg}), jwt.WithIssuer(testClientID), jwt.WithSubject(testClientID),
		jwt.WithAudience(tokenURL), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := token.Header["kid"].(string); got != kid {
		t.Errorf("kid %q, want %q", got, kid)
	}
	iat, exp := must(claims.GetIssuedAt()), must(claims.GetExpirationTime())
	if exp.Sub(iat.Time) != time.Minute || time.Since(iat.Time) > 10*time.Second {
		t.Errorf("issued at %v, expires at %v", iat, exp)
	}
	jti, _ = claims["jti"].(string)
	if len(jti) < 16 {
		t.Errorf("jti %q", jti)
	}
	return jti
}

func TestClientKeySignsTokenCalls(t *testing.T) {
	for name, test := range map[string]struct {
		key, kid string
		public   crypto.PublicKey
		alg      string
	}{
		"RSA":                {pkcs8(rsaKey()), "", rsaKey().Public(), "RS256"},
		"RSA, PKCS 1":        {inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "k", rsaKey().Public(), "RS256"},
		"P-256":              {pkcs8(ecKey()), "the/key+id=", ecKey().Public(), "ES256"},
		"P-256, SEC 1":       {inPEM("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey()))), "", ecKey().Public(), "ES256"},
		"P-256 of openssl":   {inPEM("EC PARAMETERS", []byte{6, 0}) + pkcs8(ecKey()), "", ecKey().Public(), "ES256"},
		"with text around":   {"# the key\n" + pkcs8(ecKey()) + "# end\n", "", ecKey().Public(), "ES256"},
		"and a secret, too":  {pkcs8(ecKey()), "", ecKey().Public(), "ES256"},
		"with CRLF":          {strings.ReplaceAll(pkcs8(ecKey()), "\n", "\r\n"), "", ecKey().Public(), "ES256"},
		"no newline at end":  {strings.TrimSpace(pkcs8(ecKey())), "", ecKey().Public(), "ES256"},
		"certificate before": {inPEM("CERTIFICATE", []byte{0}) + pkcs8(ecKey()), "", ecKey().Public(), "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			var forms []url.Values
			var tokenURL string
			c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
				tokenURL = "http://" + r.Host + "/oauth/token"
				if r.ParseForm() != nil || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" || r.PostForm.Has("client_secret") ||
					strings.Contains(r.PostForm.Encode(), testSecret) {
					t.Errorf("%s %v, form %v", r.URL, r.Header, r.PostForm)
				}
				forms = append(forms, r.PostForm)
				reply(http.StatusOK, goodToken, "Content-Type", "application/json")(w, r)
			}, func(cfg *Config) {
				cfg.ClientKey, cfg.ClientKeyID = test.key, test.kid
				if name != "and a secret, too" {
					cfg.ClientSecret = ""
				}
			})
			if c.Public() {
				t.Error("a client with a key is no public one")
			}
			must(c.Exchange(t.Context(), "https://app.example/cb", "the-code", "the-verifier"))
			must(c.Refresh(t.Context(), "old-refresh"))
			if err := c.Revoke(t.Context(), "the-access"); err != nil {
				t.Fatal(err)
			}
			var seen []string
			for i, want := range []string{"the-code", "old-refresh", "the-access"} {
				form := forms[i]
				jti := checkAssertion(t, form, test.public, test.alg, test.kid, tokenURL)
				if slices.Contains(seen, jti) {
					t.Error("an assertion was used twice")
				}
				seen = append(seen, jti)
				if got := form.Get([]string{"code", "refresh_token", "token"}[i]); got != want {
					t.Errorf("got %q, want %q in %v", got, want, form)
				}
			}
			if forms[0].Get("code_verifier") != "the-verifier" {
				t.Errorf("form %v", forms[0])
			}
		})
	}
}

func TestClientKeyStaysOutOfAPICalls(t *testing.T) {
	c := serveZoom(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.Form.Has("client_assertion") || r.Header.Get("Authorization") != "Bearer a" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		reply(http.StatusOK, `{"token":"z"}`)(w, r)
	}, func(cfg *Config) { cfg.ClientKey = pkcs8(ecKey()) })
	must(c.ZAK(t.Context(), Token{AccessToken: "a"}, 0))
}

func TestBadClientKeys(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, cfg := range map[string]Config{
		"no PEM":          {ClientKey: "hunter2"},
		"blank":           {ClientKey: " \n"},
		"a file's name":   {ClientKey: "/run/secrets/hunter2.pem"},
		"damaged":         {ClientKey: inPEM("PRIVATE KEY", []byte("hunter2"))},
		"wrong label":     {ClientKey: inPEM("RSA PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(rsaKey())))},
		"a wrong length":  {ClientKey: strings.Replace(pkcs8(ecKey()), "MI", "MJ", 1)},
		"a public key":    {ClientKey: inPEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey().Public())))},
		"encrypted":       {ClientKey: inPEM("ENCRYPTED PRIVATE KEY", []byte("hunter2"))},
		"RSA of 1024":     {ClientKey: pkcs8(must(rsa.GenerateKey(rand.Reader, 1024)))},
		"P-384":           {ClientKey: pkcs8(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))},
		"Ed25519":         {ClientKey: pkcs8(ed)},
		"id with a space": {ClientKey: pkcs8(ecKey()), ClientKeyID: "hunter2 "},
		"id without key":  {ClientKeyID: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.ClientID = testClientID
			_, err := NewClient(cfg)
			if want := map[string]string{
				"no PEM": "there is no private key in PEM", "a public key": "there is no private key in PEM",
				"damaged": "is damaged", "wrong label": "is damaged", "encrypted": "is encrypted", "P-384": "must be an RSA key",
			}[name]; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "client_key: ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
			if _, err := ClientJWK(cfg.ClientKey, cfg.ClientKeyID); err == nil {
				t.Error("there is a JWK of it")
			}
		})
	}
}

// brokenBody cannot be read, and tells whether it was closed.
type brokenBody struct{ closed bool }

func (*brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
func (b *brokenBody) Close() error           { b.closed = true; return nil }

// A request that cannot be signed is not sent, and the caller's stays as it is.
func TestSigningRequests(t *testing.T) {
	sent := 0
	base := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent++
		return nil, io.EOF
	})
	client := must(NewClient(Config{ClientID: testClientID, ClientKey: pkcs8(ecKey())}))
	request := func(body io.Reader) *http.Request {
		return must(http.NewRequest("POST", "https://zoom.us/oauth/token", body))
	}

	body := new(brokenBody)
	if _, err := (asserter{base, client}).RoundTrip(request(body)); !errors.Is(err, io.ErrUnexpectedEOF) || sent != 0 || !body.closed {
		t.Errorf("a broken body: %v, %d sent, closed %t", err, sent, body.closed)
	}
	whole := request(strings.NewReader("a=b"))
	if _, err := (asserter{base, client}).RoundTrip(whole); !errors.Is(err, io.EOF) || sent != 1 || whole.ContentLength != 3 {
		t.Errorf("%v, %d sent, %d bytes", err, sent, whole.ContentLength)
	}
	client.key = &clientKey{rsaKey(), jwt.SigningMethodES256, ""}
	if _, err := (asserter{base, client}).RoundTrip(request(strings.NewReader(""))); err == nil || errors.Is(err, io.EOF) || sent != 1 {
		t.Errorf("a key that does not sign: %v, %d sent", err, sent)
	}
}

func TestClientKeysAreNotPrinted(t *testing.T) {
	text := pkcs8(ecKey())
	cfg := Config{ClientID: testClientID, ClientKey: text}
	client := must(NewClient(cfg))
	d := fmt.Sprintf("%x", must(ecKey().Bytes()))
	for _, v := range []any{cfg, &cfg, client, []*Client{client}} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("test", "v", v)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			fmt.Fprintf(&log, verb, v)
		}
		if s := log.String(); strings.Contains(s, "PRIVATE KEY") || strings.Contains(s, text[40:80]) || strings.Contains(s, d) {
			t.Errorf("%T prints its key: %s", v, s)
		}
	}
}

// What is registered at Zoom verifies what is signed.
func TestClientJWK(t *testing.T) {
	generated := must(GenerateClientKey())
	if again := must(GenerateClientKey()); again == generated {
		t.Error("the same key twice")
	}
	for name, key := range map[string]string{"generated": generated, "RSA": pkcs8(rsaKey())} {
		t.Run(name, func(t *testing.T) {
			j := must(ClientJWK(key, ""))
			thumbprint := j.KeyID
			if len(thumbprint) != 43 || must(ClientJWK(key, "")).KeyID != thumbprint {
				t.Errorf("key id %q", thumbprint)
			}
			// RFC 7638: the required members in the order of their names.
			members := map[string]string{"kty": j.KeyType, "e": j.E, "n": j.N, "crv": j.Curve, "x": j.X, "y": j.Y}
			maps.DeleteFunc(members, func(_, value string) bool { return value == "" })
			if sum := sha256.Sum256(must(json.Marshal(members))); thumbprint != base64.RawURLEncoding.EncodeToString(sum[:]) {
				t.Errorf("thumbprint %s of %v", thumbprint, members)
			}
			if named := must(ClientJWK(key, "mine")); named.KeyID != "mine" {
				t.Errorf("key id %q", named.KeyID)
			}
			text := string(must(json.Marshal(j)))
			if strings.Contains(text, `"d"`) || !strings.Contains(text, `"use":"sig"`) {
				t.Errorf("JWK %s", text)
			}
			number := func(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }
			var public crypto.PublicKey
			if j.KeyType == "EC" {
				if j.Curve != "P-256" || j.Algorithm != "ES256" {
					t.Errorf("JWK %s", text)
				}
				point := append(append([]byte{4}, number(j.X)...), number(j.Y)...)
				public = must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point))
			} else {
				if j.KeyType != "RSA" || j.Algorithm != "RS256" || j.E != "AQAB" || len(number(j.N)) != 256 {
					t.Errorf("JWK %s", text)
				}
				public = &rsa.PublicKey{N: rsaKey().N, E: 65537}
				if string(rsaKey().N.Bytes()) != string(number(j.N)) {
					t.Error("another modulus")
				}
			}
			assertion := must(must(parseClientKey(key, thumbprint)).assertion(testClientID, "https://zoom.us/oauth/token", time.Now()))
			form := url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}
			checkAssertion(t, form, public, j.Algorithm, thumbprint, "https://zoom.us/oauth/token")
		})
	}
	// The key of RFC 7515 appendix A.3; its thumbprint was computed without this code.
	const pair = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49
AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b
focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END EC PRIVATE KEY-----
`
	j := must(ClientJWK(pair, ""))
	if j.X != "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" || j.Y != "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" ||
		j.KeyID != "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U" {
		t.Errorf("JWK %+v", j)
	}
}
