package logformat

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap/zapcore"
)

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	zoom_pkce [<encoder>] {
//	    wrap <encoder>
//	}
//
// The encoder is the name of another log format, followed by its own block.
// It stands in the line or in the block, which is left out then.
func (e *Encoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume encoder name
	if d.NextArg() {
		return e.unmarshalWrapped(d)
	}
	for d.NextBlock(0) {
		if d.Val() != "wrap" {
			return d.Errf("unrecognized subdirective %s", d.Val())
		}
		if e.WrappedRaw != nil {
			return d.Err("wrap is already specified")
		}
		if !d.NextArg() {
			return d.ArgErr()
		}
		if err := e.unmarshalWrapped(d); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) unmarshalWrapped(d *caddyfile.Dispenser) error {
	name := d.Val()
	id := "caddy.logging.encoders." + name
	module, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	encoder, ok := module.(zapcore.Encoder)
	if !ok {
		return d.Errf("module %s (%T) is not a zapcore.Encoder", id, module)
	}
	e.WrappedRaw = caddyconfig.JSONModuleObject(encoder, "format", name, nil)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Encoder)(nil)
