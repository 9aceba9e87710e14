package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

// redisURL is what one URL says about a server.
type redisURL struct {
	addr  string
	login redisLogin
	db    int
	tls   bool
}

type redisLogin struct{ username, password string }

// options turns the configuration into the client's. No error contains a URL or
// a password.
func (s *Store) options(repl *caddy.Replacer) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		IsClusterMode: s.Cluster,

		// A user waits for each of these. The client tries again on another
		// connection, so that a restart of Redis goes unnoticed; a swap may be
		// sent again because its script knows its own result.
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
	r := &conf.Resolver{Repl: repl}
	username, _ := r.Text("username", s.Username)
	password, _ := r.Secret("password", s.Password)
	master, _ := r.Text("master_name", s.MasterName)
	o.Username, o.Password, o.MasterName = username.Text, password.Text, master.Text
	if s.Cluster && s.MasterName != "" {
		r.Failf("cluster", "excludes master_name: a Cluster has no Sentinels")
	}

	server := s.resolveURLs(r, o)
	switch {
	case o.MasterName != "":
		o.SentinelUsername, o.SentinelPassword = server.login.username, server.login.password
	case server.login == redisLogin{}:
	case o.Username != "" || o.Password != "":
		r.Failf("username and password", "stand in the URL too: leave one out")
	default:
		o.Username, o.Password = server.login.username, server.login.password
	}
	if o.DB = server.db; o.DB != 0 && o.MasterName == "" && (s.Cluster || len(o.Addrs) > 1) {
		r.Failf("urls", "a Cluster has no databases to choose from")
	}
	if server.tls {
		// Without a server name: it is that of the node dialed, which Sentinel
		// or the Cluster may have named.
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	s.resolveCA(r, o)
	return o, r.Err()
}

// resolveURLs adds the addresses to o, and returns what the URLs say otherwise.
func (s *Store) resolveURLs(r *conf.Resolver, o *redis.UniversalOptions) (server redisURL) {
	if len(s.URLs) == 0 {
		r.Failf("urls", "are required: where Redis is")
	}
	for _, v := range r.Secrets("urls", s.URLs) {
		parsed, err := parseRedisURL(v.Text, s.MasterName != "")
		if err != nil {
			r.Fail(v, "%w", err)
			continue
		}
		o.Addrs = append(o.Addrs, parsed.addr)
		if parsed.addr = ""; len(o.Addrs) == 1 {
			server = parsed
		}
		if parsed != server {
			r.Fail(v, "differs from the first one in credentials, database or TLS")
		}
	}
	return server
}

// parseRedisURL keeps back the errors of the parsers, because they quote what
// they could not read.
func parseRedisURL(raw string, sentinel bool) (redisURL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return redisURL{}, errors.New("is not a URL; mind that a password has to be percent-encoded in it")
	}
	for name := range u.Query() {
		if u.Scheme != "unix" || name != "db" {
			return redisURL{}, errors.New("has parameters; only unix:// takes one, db")
		}
	}
	o, err := redis.ParseURL(raw)
	if err != nil {
		return redisURL{}, errors.New("is not like redis://host:6379/0, rediss://host:6379/0 or unix:///run/redis.sock?db=0")
	}
	if sentinel && u.Port() == "" && u.Scheme != "unix" {
		host, _, _ := net.SplitHostPort(o.Addr)
		o.Addr = net.JoinHostPort(host, "26379")
	}
	return redisURL{o.Addr, redisLogin{o.Username, o.Password}, o.DB, o.TLSConfig != nil}, nil
}

func (s *Store) resolveCA(r *conf.Resolver, o *redis.UniversalOptions) {
	v, ok := r.Text("tls_ca", s.TLSCA)
	switch {
	case !ok:
		return
	case o.TLSConfig == nil:
		r.Fail(v, "is for rediss:// URLs")
		return
	}
	pem, err := os.ReadFile(v.Text)
	if err != nil {
		r.Fail(v, "%w", err)
		return
	}
	o.TLSConfig.RootCAs = x509.NewCertPool()
	if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		r.Fail(v, "is not a PEM file with certificates")
	}
}
