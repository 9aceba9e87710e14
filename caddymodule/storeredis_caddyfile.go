package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store redis <url...> {
//		username    <name>
//		password    <password>
//		master_name <name>      # the URLs are Sentinels
//		cluster     on|off      # off; several URLs are always a Cluster
//		tls_ca      <file>
//	}
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	s.URLs = d.RemainingArgs()
	if len(s.URLs) == 0 {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(d.Nesting()) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s already specified", option)
		}
		seen[option] = true
		var err error
		switch option {
		case "username":
			err = redisArg(d, &s.Username)
		case "password":
			err = redisArg(d, &s.Password)
		case "master_name":
			err = redisArg(d, &s.MasterName)
		case "tls_ca":
			err = redisArg(d, &s.TLSCA)
		case "cluster":
			var value string
			if err = redisArg(d, &value); err != nil {
				break
			}
			if value != "on" && value != "off" {
				return d.Errf("cluster is on or off, not '%s'", value)
			}
			s.Cluster = value == "on"
		default:
			return d.Errf("unrecognized redis store option '%s'", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// redisArg reads the only argument of an option. It quotes none: it may be a part
// of a password with a space in it.
func redisArg(d *caddyfile.Dispenser, to *string) error {
	option := d.Val()
	values := d.RemainingArgs()
	if len(values) != 1 {
		return d.Errf("%s takes one value; put one with spaces in quotes", option)
	}
	*to = values[0]
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*RedisStore)(nil)
