// Package logformat is an encoder for Caddy's logs that takes credentials out of
// every entry: what the zoom_pkce directives of this process set or receive. It
// knows no directive: they tell it the names they use, and whether a
// configuration has it is for them to ask and to say.
package logformat

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

func init() {
	caddy.RegisterModule(new(Encoder))
}

// Encoder is a log format that shows no credential of `zoom_pkce`, and hands
// everything else on to another format. Caddy's own loggers show headers that
// were set for the app behind, at WARN too, when a transfer breaks off, and
// the access log shows the query of the callback.
//
// It takes out, at any depth of an entry and in its message:
//
//   - headers and trailers with the access token, ZAK and OBF token, by the names in use,
//     with Zoom's app context and with the signature of a webhook; also as FastCGI variables
//   - cookies of the directive; other cookies stay
//   - the parameters `code`, `state`, `signature`, `token`, and those of OAuth that
//     hold secrets, of every URL, query and form
//   - secrets in configurations that Caddy logs
//   - user and password of URLs, as that of a session store may have them
//   - everything that has the shape of a JWT, under whatever name
//
// In its place stands `REDACTED`.
type Encoder struct {
	// The format that writes the entry. Default: json, or console where the log
	// goes to a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	encoder

	byDefault bool // wrapped is not what the configuration says: WrappedRaw is gone once loaded
	ctx       caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*Encoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders." + format,
		New: func() caddy.Module { return new(Encoder) },
	}
}

// Provision sets up the wrapped encoder.
func (e *Encoder) Provision(ctx caddy.Context) error {
	e.ctx = ctx
	noteUse(ctx)
	if e.byDefault = e.WrappedRaw == nil; e.byDefault {
		standard := new(logging.JSONEncoder)
		e.wrapped = standard
		return standard.Provision(ctx)
	}
	wrapped, err := ctx.LoadModule(e, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading the wrapped encoder: %w", err)
	}
	e.wrapped = wrapped.(zapcore.Encoder)
	return nil
}

// ConfigureDefaultFormat makes console the default on a terminal, as Caddy's
// encoders that wrap another do, and lets a wrapped one do the same.
func (e *Encoder) ConfigureDefaultFormat(writer caddy.WriterOpener) error {
	if !e.byDefault {
		if wrapped, ok := e.wrapped.(caddy.ConfiguresFormatterDefault); ok {
			return wrapped.ConfigureDefaultFormat(writer)
		}
		return nil
	}
	if !caddy.IsWriterStandardStream(writer) || !isTerminal(os.Stderr) {
		return nil
	}
	console := new(logging.ConsoleEncoder)
	e.wrapped = console
	return console.Provision(e.ctx)
}

// isTerminal is true for /dev/null as well, where no format matters.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// encoder is what is cloned of an Encoder, for each logger.
type encoder struct{ common }

// Clone implements zapcore.Encoder.
func (e *encoder) Clone() zapcore.Encoder { return &encoder{e.clone()} }

// EncodeEntry implements zapcore.Encoder.
func (e *encoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	entry.Message = redactedString("", entry.Message)
	l := lines.Get().(*line)
	l.common, l.fields = e.kept, fields
	encoded, err := e.wrapped.EncodeEntry(entry, l.inline[:])
	l.common, l.fields, l.ObjectEncoder = nil, nil, nil
	lines.Put(l)
	return encoded, err
}

// lines are used again, one for each entry being encoded.
var lines = sync.Pool{New: func() any {
	l := new(line)
	l.inline[0] = zap.Inline(l)
	return l
}}

// line is the fields of an entry and of its logger, handed to the wrapped encoder as one that
// adds them all. So the encoder that writes is the one that it chooses, and none has
// to be cloned.
type line struct {
	objectEncoder
	common, fields []zapcore.Field
	inline         [1]zapcore.Field
}

func (l *line) MarshalLogObject(to zapcore.ObjectEncoder) error {
	l.ObjectEncoder = to
	for i := range l.common {
		l.common[i].AddTo(l)
	}
	for i := range l.fields {
		l.fields[i].AddTo(l)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner                = (*Encoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*Encoder)(nil)
	_ zapcore.Encoder                  = (*Encoder)(nil)
)
