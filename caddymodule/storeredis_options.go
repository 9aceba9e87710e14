package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// options turns the configuration into the client's. No error contains a URL or
// a password.
func (s *RedisStore) options(replacer *caddy.Replacer) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		IsClusterMode: s.Cluster,

		// A user waits for each of these. The client tries again on another
		// connection, which makes a restart of Redis go unnoticed; a swap can be
		// tried again because its script knows its own result.
		DialTimeout:           3 * time.Second,
		DialerRetries:         1,
		ReadTimeout:           3 * time.Second,
		WriteTimeout:          3 * time.Second,
		MaxRetries:            2,
		ContextTimeoutEnabled: true,

		// What older servers, proxies and narrow ACLs refuse.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	var caFile string
	for _, value := range []struct {
		name string
		from string
		to   *string
	}{
		{"username", s.Username, &o.Username},
		{"password", s.Password, &o.Password},
		{"master_name", s.MasterName, &o.MasterName},
		{"tls_ca", s.TLSCA, &caFile},
	} {
		var err error
		if *value.to, err = resolveRedisValue(replacer, value.name, value.from); err != nil {
			return nil, err
		}
	}
	if len(s.URLs) == 0 {
		return nil, errors.New("urls: the URL of the Redis server is missing")
	}
	if s.Cluster && s.MasterName != "" {
		return nil, errors.New("cluster and master_name exclude each other: a Cluster has no Sentinels")
	}
	if err := s.addURLs(o, replacer); err != nil {
		return nil, err
	}
	return o, addRedisCA(o, caFile)
}

// redisURL is what one URL says.
type redisURL struct {
	addr, username, password string
	db                       int
	tls                      bool
}

func (s *RedisStore) addURLs(o *redis.UniversalOptions, replacer *caddy.Replacer) error {
	var first redisURL
	for i, raw := range s.URLs {
		name := "urls"
		if len(s.URLs) > 1 {
			name = fmt.Sprintf("urls: number %d", i+1)
		}
		raw, err := resolveRedisValue(replacer, name, raw)
		if err != nil {
			return err
		}
		u, err := parseRedisURL(raw, o.MasterName != "")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		o.Addrs = append(o.Addrs, u.addr)
		u.addr = ""
		if i == 0 {
			first = u
		}
		if u != first {
			return fmt.Errorf("%s: all have to agree in credentials, database and TLS", name)
		}
	}
	o.DB = first.db
	if first.tls {
		// Without a server name: it is that of the node dialed, which Sentinel
		// or the Cluster may have named.
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.MasterName != "" {
		o.SentinelUsername, o.SentinelPassword = first.username, first.password
		return nil
	}
	if o.DB != 0 && (o.IsClusterMode || len(o.Addrs) > 1) {
		return errors.New("urls: a Cluster has no databases to choose from")
	}
	if first.username == "" && first.password == "" {
		return nil
	}
	if o.Username != "" || o.Password != "" {
		return errors.New("username and password stand in the URL and beside it: leave one out")
	}
	o.Username, o.Password = first.username, first.password
	return nil
}

// parseRedisURL takes the errors of the parsers away, because they quote what
// they could not read.
func parseRedisURL(raw string, sentinel bool) (redisURL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return redisURL{}, errors.New("not a URL; mind that a password has to be percent-encoded in it")
	}
	switch u.Scheme {
	case "redis", "rediss", "unix":
	default:
		return redisURL{}, errors.New("has to begin with redis://, rediss:// or unix://")
	}
	for name := range u.Query() {
		if u.Scheme != "unix" || name != "db" {
			return redisURL{}, errors.New("has parameters; only unix:// knows one, db")
		}
	}
	parsed, err := redis.ParseURL(raw)
	if err != nil {
		return redisURL{}, errors.New("has to be like redis://host:6379/0, rediss://host:6379/0 or unix:///run/redis.sock?db=0")
	}
	if sentinel && u.Port() == "" && u.Scheme != "unix" {
		host, _, _ := net.SplitHostPort(parsed.Addr)
		parsed.Addr = net.JoinHostPort(host, "26379")
	}
	return redisURL{parsed.Addr, parsed.Username, parsed.Password, parsed.DB, parsed.TLSConfig != nil}, nil
}

func addRedisCA(o *redis.UniversalOptions, file string) error {
	if file == "" {
		return nil
	}
	if o.TLSConfig == nil {
		return errors.New("tls_ca: only for rediss:// URLs")
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("tls_ca: %w", err)
	}
	o.TLSConfig.RootCAs = x509.NewCertPool()
	if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("tls_ca: no certificate in %s", file)
	}
	return nil
}

// resolveRedisValue replaces placeholders. The replacer's error quotes what is
// in braces: that is told only where it is a name for sure, and not a password
// with braces in it.
func resolveRedisValue(replacer *caddy.Replacer, name, value string) (string, error) {
	resolved, err := replacer.ReplaceOrErr(value, true, true)
	if err == nil {
		return resolved, nil
	}
	if strings.Contains(err.Error(), "{env.") || strings.Contains(err.Error(), "{file.") {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return "", fmt.Errorf(`%s: contains an unknown placeholder; a brace that is none is written as \{`, name)
}
