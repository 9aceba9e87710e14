package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store redis <url...> {
//		username    <name>
//		password    <password>
//		master_name <name>
//		cluster     on|off
//		tls_ca      <file>
//	}
//
// Several URLs are nodes of one Cluster, or Sentinels if there is a master_name.
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	b := newBlock(httpcaddyfile.Helper{Dispenser: d}, "redis store", nil)
	if err := b.list(&s.URLs); err != nil {
		return err
	}
	return b.lines(s.subdirective)
}

func (s *RedisStore) subdirective(b *block) error {
	switch b.Val() {
	case "username":
		return b.text(&s.Username)
	case "password":
		return b.text(&s.Password)
	case "master_name":
		return b.text(&s.MasterName)
	case "cluster":
		return b.onOff(&s.Cluster)
	case "tls_ca":
		return b.text(&s.TLSCA)
	default:
		return b.unrecognized()
	}
}

// Interface guards
var _ caddyfile.Unmarshaler = (*RedisStore)(nil)
