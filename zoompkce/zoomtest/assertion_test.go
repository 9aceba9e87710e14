package zoomtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A byokClient is an app that brings its own key, and that key.
type byokClient struct {
	*world
	key     crypto.Signer
	header  map[string]any
	claims  map[string]any
	changed url.Values // in place of what a correct call sends
}

func newBYOK(t *testing.T, key crypto.Signer, alg string) *byokClient {
	w := newWorld(t)
	w.app = w.AddApp(App{
		ClientID: "byok", RedirectURIs: []string{callback},
		PublicKeys: []PublicKey{{ID: "k1", Key: key.Public()}},
	})
	return &byokClient{
		world:  w,
		key:    key,
		header: map[string]any{"typ": "JWT", "alg": alg, "kid": "k1"},
		claims: map[string]any{
			"iss": "byok", "sub": "byok", "aud": "https://zoom.test/oauth/token",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": "j1",
		},
		changed: url.Values{},
	}
}

// assertion signs what header and claims say.
func (c *byokClient) assertion() string {
	c.t.Helper()
	text := encodeJWTPart(c.header) + "." + encodeJWTPart(c.claims)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch key := c.key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		r, s, signErr := ecdsa.Sign(rand.Reader, key, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), signErr
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// call sends a form together with the assertion.
func (c *byokClient) call(path string, form url.Values) (status int, body string) {
	c.t.Helper()
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", c.assertion())
	maps.Copy(form, c.changed)
	return c.post(path, c.app, form)
}

func (c *byokClient) exchange() (status int, body string) {
	c.t.Helper()
	return c.call("/oauth/token", codeForm(c.app, c.code(c.app)))
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestClientAssertion(t *testing.T) {
	for alg, key := range map[string]crypto.Signer{"RS256": rsaKey(t), "ES256": ecKey(t)} {
		t.Run(alg, func(t *testing.T) {
			c := newBYOK(t, key, alg)
			tk := c.tokens(c.exchange())
			c.claims["jti"] = "j2"
			delete(c.header, "kid")
			c.claims["aud"] = []string{"https://zoom.test/oauth/token"}
			tk = c.tokens(c.call("/oauth/token", refreshForm(c.app, tk.Refresh)))
			c.claims["jti"] = "j3"
			status, body := c.call("/oauth/revoke", url.Values{"token": {tk.Access}, "client_id": {"byok"}})
			expect(t, status, body, 200, `{"status":"success"}`)
			if _, _, ok := c.ValidateAccessToken(tk.Access); ok {
				t.Error("not revoked")
			}
		})
	}
}

func TestClientAssertionOfAnotherAlgorithm(t *testing.T) {
	c := newBYOK(t, rsaKey(t), "RS256")
	c.header["alg"] = "PS256"
	if status, body := c.exchange(); status == 200 {
		t.Errorf("accepted: %s", body)
	}
}

func TestClientAssertionRefuses(t *testing.T) {
	rsaKey, other := rsaKey(t), ecKey(t)
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	none := func(c *byokClient) {
		c.header["alg"] = "none"
		text := c.assertion()
		c.changed.Set("client_assertion", text[:strings.LastIndexByte(text, '.')+1])
	}
	for name, spoil := range map[string]func(*byokClient){
		"alg none, unsigned":   none,
		"alg none, signed":     func(c *byokClient) { c.header["alg"] = "none" },
		"alg of another key":   func(c *byokClient) { c.header["alg"] = "RS256" },
		"alg HS256":            func(c *byokClient) { c.header["alg"] = "HS256" },
		"no alg":               func(c *byokClient) { delete(c.header, "alg") },
		"another key":          func(c *byokClient) { c.key = other },
		"a key of another alg": func(c *byokClient) { c.key, c.header["alg"] = rsaKey, "RS256" },
		"another kid":          func(c *byokClient) { c.header["kid"] = "k2" },
		"an empty kid":         func(c *byokClient) { c.header["kid"] = "" },
		"a critical extension": func(c *byokClient) { c.header["crit"] = []string{"x"} },
		"no iss":               func(c *byokClient) { delete(c.claims, "iss") },
		"another iss":          func(c *byokClient) { c.claims["iss"] = "confidential" },
		"no sub":               func(c *byokClient) { delete(c.claims, "sub") },
		"another sub":          func(c *byokClient) { c.claims["sub"] = "ada" },
		"no aud":               func(c *byokClient) { delete(c.claims, "aud") },
		"the issuer as aud":    func(c *byokClient) { c.claims["aud"] = "https://zoom.test" },
		"another host as aud":  func(c *byokClient) { c.claims["aud"] = "https://zoom.us/oauth/token" },
		"two auds": func(c *byokClient) {
			c.claims["aud"] = []string{"https://zoom.test/oauth/token", "https://evil.example"}
		},
		"no exp":                   func(c *byokClient) { delete(c.claims, "exp") },
		"exp as text":              func(c *byokClient) { c.claims["exp"] = "9999999999" },
		"expired":                  func(c *byokClient) { c.claims["exp"] = in(0) },
		"a life of hours":          func(c *byokClient) { c.claims["exp"] = in(time.Hour) },
		"issued in the future":     func(c *byokClient) { c.claims["iat"] = in(2 * time.Minute) },
		"not good yet":             func(c *byokClient) { c.claims["nbf"] = in(2 * time.Minute) },
		"iat as text":              func(c *byokClient) { c.claims["iat"] = "now" },
		"no jti":                   func(c *byokClient) { delete(c.claims, "jti") },
		"an empty jti":             func(c *byokClient) { c.claims["jti"] = "" },
		"no type":                  func(c *byokClient) { c.changed.Set("client_assertion_type", "") },
		"another type":             func(c *byokClient) { c.changed.Set("client_assertion_type", "jwt-bearer") },
		"no assertion":             func(c *byokClient) { c.changed.Set("client_assertion", "") },
		"not a JWT":                func(c *byokClient) { c.changed.Set("client_assertion", "a.b") },
		"padded":                   func(c *byokClient) { c.changed.Set("client_assertion", c.assertion()+"==") },
		"changed after signing":    func(c *byokClient) { c.changed.Set("client_assertion", "e30"+c.assertion()) },
		"another client id beside": func(c *byokClient) { c.changed.Set("client_id", "confidential") },
		"a secret beside":          func(c *byokClient) { c.changed.Set("client_secret", "s3cret") },
		"Basic beside":             func(c *byokClient) { c.app.ClientSecret = "s3cret" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newBYOK(t, ecKey(t), "ES256")
				spoil(c)
				status, body := c.exchange()
				expect(t, status, body, 400, invalidClientBody)
			})
		})
	}
}

func TestClientAssertionIsSingleUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBYOK(t, ecKey(t), "ES256")
		tk := c.tokens(c.exchange())
		again := refreshForm(c.app, tk.Refresh)
		for range 2 {
			status, body := c.call("/oauth/token", again)
			expect(t, status, body, 400, invalidClientBody)
			time.Sleep(30 * time.Second) // also when it has ended
		}
		c.claims["jti"], c.claims["exp"] = "j2", time.Now().Add(time.Minute).Unix()
		c.tokens(c.call("/oauth/token", again)) // nothing was spent
	})
}

// Whoever has a key proves who they are with it, and whoever has none does not.
func TestClientAssertionIsForAppsWithKeys(t *testing.T) {
	c := newBYOK(t, ecKey(t), "ES256")
	keyed := c.AddApp(App{ClientID: "byok", ClientSecret: "s3cret", RedirectURIs: []string{callback}, PublicKeys: []PublicKey{{Key: c.key.Public()}}})
	status, body := c.post("/oauth/token", keyed, codeForm(keyed, c.code(keyed)))
	expect(t, status, body, 400, invalidClientBody)
	status, body = c.post("/oauth/token", c.app, codeForm(c.app, c.code(c.app), "client_id", "byok"))
	expect(t, status, body, 400, invalidClientBody)
	for _, id := range []string{"confidential", "public", "nobody"} {
		c.claims["iss"], c.claims["sub"] = id, id
		status, body = c.exchange()
		expect(t, status, body, 400, invalidClientBody)
	}
	c.claims["iss"], c.claims["sub"] = "byok", "byok"
	status, body = c.exchange() // the key was registered without the id that it names
	expect(t, status, body, 400, invalidClientBody)
	form := codeForm(c.app, c.code(c.app))
	delete(c.header, "kid")
	query := url.Values{"client_assertion": {c.assertion()}, "client_assertion_type": {assertionType}}
	status, body = c.post("/oauth/token?"+query.Encode(), c.app, form)
	expect(t, status, body, 400, invalidClientBody)
	c.tokens(c.call("/oauth/token", form))
}

func TestKeysThatZoomDoesNotTake(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.PublicKey{
		"RSA of 2,040 bits":   &rsa.PublicKey{N: rsaKey(t).N.Rsh(rsaKey(t).N, 8), E: 65537},
		"P-384":               p384.Public(),
		"the private key":     ecKey(t),
		"none":                nil,
		"a value, no pointer": *rsaKey(t).Public().(*rsa.PublicKey),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			newWorld(t).AddApp(App{PublicKeys: []PublicKey{{Key: key}}})
		})
	}
}
