package redisstore

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
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
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	b := conf.NewBlock(httpcaddyfile.Helper{Dispenser: d}, "redis store", nil)
	if err := b.List(&s.URLs); err != nil {
		return err
	}
	return b.Lines(s.subdirective)
}

func (s *Store) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "username":
		return b.Text(&s.Username)
	case "password":
		return b.Text(&s.Password)
	case "master_name":
		return b.Text(&s.MasterName)
	case "cluster":
		return b.OnOff(&s.Cluster)
	case "tls_ca":
		return b.Text(&s.TLSCA)
	default:
		return b.Unrecognized()
	}
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Store)(nil)
