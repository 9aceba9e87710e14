package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
)

func TestRedisOptions(t *testing.T) {
	t.Setenv("TEST_REDIS_PASSWORD", "from env")
	t.Setenv("TEST_REDIS_URL", "redis://a:6380/7")
	for name, test := range map[string]struct {
		store Store
		want  func(*redis.UniversalOptions) bool
	}{
		"everything in the URL": {
			Store{URLs: []string{"redis://ann:p%40ss@db.internal:6380/3"}},
			func(o *redis.UniversalOptions) bool {
				return slices.Equal(o.Addrs, []string{"db.internal:6380"}) && o.Username == "ann" &&
					o.Password == "p@ss" && o.DB == 3 && o.TLSConfig == nil && !o.IsClusterMode
			},
		},
		"placeholders": {
			Store{URLs: []string{"{env.TEST_REDIS_URL}"}, Password: "{env.TEST_REDIS_PASSWORD}"},
			func(o *redis.UniversalOptions) bool {
				return o.Addrs[0] == "a:6380" && o.DB == 7 && o.Password == "from env"
			},
		},
		"a password with braces": {
			Store{URLs: []string{"redis://a"}, Password: `pa\{ss\}word`},
			func(o *redis.UniversalOptions) bool { return o.Password == "pa{ss}word" },
		},
		"TLS, without the server's name": {
			Store{URLs: []string{"rediss://a", "rediss://b"}},
			func(o *redis.UniversalOptions) bool {
				return o.TLSConfig != nil && o.TLSConfig.ServerName == "" && !o.TLSConfig.InsecureSkipVerify
			},
		},
		"a socket": {
			Store{URLs: []string{"unix:///run/redis.sock?db=2"}},
			func(o *redis.UniversalOptions) bool { return o.Addrs[0] == "/run/redis.sock" && o.DB == 2 },
		},
		"Sentinels have their own port and password": {
			Store{URLs: []string{"redis://:sent@s1/4", "redis://:sent@s2:1/4"}, MasterName: "m", Password: "main"},
			func(o *redis.UniversalOptions) bool {
				return slices.Equal(o.Addrs, []string{"s1:26379", "s2:1"}) && o.MasterName == "m" &&
					o.SentinelPassword == "sent" && o.Password == "main" && o.DB == 4
			},
		},
		"a Sentinel's password is not the master's": {
			Store{URLs: []string{"redis://:sent@s1"}, MasterName: "m"},
			func(o *redis.UniversalOptions) bool { return o.Password == "" },
		},
		"a Cluster behind one name": {
			Store{URLs: []string{"rediss://cluster.internal"}, Cluster: true},
			func(o *redis.UniversalOptions) bool { return o.IsClusterMode },
		},
		"contexts count, old servers are spared": {
			Store{URLs: []string{"redis://a"}},
			func(o *redis.UniversalOptions) bool {
				return o.ContextTimeoutEnabled && o.DisableIdentity && o.ClientName == "" && o.Protocol == 2
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := test.store.options(caddy.NewReplacer())
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(o) {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestRedisOptionsMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		store Store
		err   string
	}{
		"no URL":          {Store{}, "urls: are required"},
		"not a URL":       {Store{URLs: []string{"redis://:hunter2%zz@a"}}, "urls: is not a URL"},
		"a host only":     {Store{URLs: []string{"hunter2.internal:6379"}}, "urls: is not"},
		"another scheme":  {Store{URLs: []string{"http://hunter2@a"}}, "urls: is not like redis://"},
		"a path":          {Store{URLs: []string{"redis://a/hunter2"}}, "urls: is not like redis://"},
		"parameters":      {Store{URLs: []string{"rediss://a?skip_verify=true&x=hunter2"}}, "urls: has parameters"},
		"db elsewhere":    {Store{URLs: []string{"redis://a?db=3"}}, "urls: has parameters"},
		"the second, too": {Store{URLs: []string{"hunter2://a", "http://hunter2@b"}}, "urls (number 2): is not like redis://"},
		"unset variable":  {Store{URLs: []string{"redis://a"}, Password: "{env.TEST_REDIS_UNSET}"}, "password: placeholder {env.TEST_REDIS_UNSET} is empty"},
		"password braces": {Store{URLs: []string{"redis://a"}, Password: "x{hunter2}y"}, "password: braces"},
		"twice":           {Store{URLs: []string{"redis://:hunter2@a"}, Password: "hunter2"}, "stand in the URL too"},
		"unequal URLs":    {Store{URLs: []string{"redis://:hunter2@a", "redis://b"}}, "urls (number 2): differs"},
		"Cluster, db":     {Store{URLs: []string{"redis://a/1", "redis://b/1"}}, "urls: a Cluster has no databases"},
		"both":            {Store{URLs: []string{"redis://a"}, Cluster: true, MasterName: "m"}, "cluster: excludes master_name"},
		"CA without TLS":  {Store{URLs: []string{"redis://a"}, TLSCA: "ca.pem"}, "is for rediss:// URLs"},
		"no such CA":      {Store{URLs: []string{"rediss://a"}, TLSCA: "/nonexistent/ca.pem"}, "no such file"},
		"no CA":           {Store{URLs: []string{"rediss://a"}, TLSCA: os.DevNull}, "is not a PEM file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.store.options(caddy.NewReplacer())
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want %q", err, test.err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if provisioned := test.store.Provision(caddy.Context{}); provisioned == nil || provisioned.Error() != err.Error() {
				t.Errorf("provisioned: %v", provisioned)
			}
		})
	}
}

// testCertificate writes a self-signed certificate for 127.0.0.1, which is also
// its own authority.
func testCertificate(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "redis"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	cert = write("cert.pem", "CERTIFICATE", public)
	return cert, cert, write("key.pem", "PRIVATE KEY", secret)
}
