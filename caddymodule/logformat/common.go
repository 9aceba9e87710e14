package logformat

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// common are the fields that a logger has for all its entries. Caddy's proxy makes a
// logger of every request, with all headers, and hardly ever writes an entry with it: so
// they are kept as they came, and encoded with an entry.
type common struct {
	wrapped zapcore.Encoder
	kept    []zapcore.Field
	encoded *objectEncoder // what fields are added to; nil: they are kept, and clones share wrapped
}

// clone is one that may be added to.
func (c *common) clone() common {
	if c.encoded == nil {
		return common{wrapped: c.wrapped, kept: slices.Clip(c.kept)}
	}
	wrapped := c.wrapped.Clone()
	return common{wrapped: wrapped, encoded: &objectEncoder{wrapped}}
}

func (c *common) add(f zapcore.Field) {
	if c.encoded != nil {
		f.AddTo(c.encoded)
		return
	}
	if c.kept == nil {
		c.kept = make([]zapcore.Field, 0, 4) // the proxy's have three
	}
	c.kept = append(c.kept, f)
}

// now is where a field is added that may be another one when an entry is written.
func (c *common) now() *objectEncoder {
	if c.encoded == nil {
		c.wrapped = c.wrapped.Clone()
		c.encoded = &objectEncoder{c.wrapped}
		for i := range c.kept {
			c.kept[i].AddTo(c.encoded)
		}
		c.kept = nil
	}
	return c.encoded
}

// AddObject keeps a copy of a request, as Caddy does for its access log: Caddy logs no
// other objects in this way with every request.
func (c *common) AddObject(key string, value zapcore.ObjectMarshaler) error {
	r, ok := value.(caddyhttp.LoggableHTTPRequest)
	if !ok || r.Request == nil {
		return c.now().AddObject(key, value)
	}
	c.add(zap.Object(key, keep(r)))
	return nil
}

// keptRequest is a request as it was. Its headers are a list: to clone them would take as
// long as to write them.
type keptRequest struct {
	request     http.Request
	credentials bool
	headers     []keptHeader
	clientIP    any // a variable of the request: others may be set while an entry is written
}

type keptHeader struct {
	name   string
	values []string
}

func keep(r caddyhttp.LoggableHTTPRequest) *keptRequest {
	k := &keptRequest{
		*r.Request, r.ShouldLogCredentials, make([]keptHeader, 0, len(r.Header)),
		caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey),
	}
	values := make([]string, 0, len(r.Header))
	for name, v := range r.Header {
		values = append(values, v...)
		n := len(values)
		k.headers = append(k.headers, keptHeader{name, values[n-len(v) : n : n]})
	}
	return k
}

func (k *keptRequest) MarshalLogObject(to zapcore.ObjectEncoder) error {
	vars := map[string]any{caddyhttp.ClientIPVarKey: k.clientIP}
	request := k.request.WithContext(context.WithValue(context.Background(), caddyhttp.VarsCtxKey, vars))
	request.Header = make(http.Header, len(k.headers))
	for _, h := range k.headers {
		request.Header[h.name] = h.values
	}
	return caddyhttp.LoggableHTTPRequest{Request: request, ShouldLogCredentials: k.credentials}.MarshalLogObject(to)
}

func (c *common) AddArray(key string, v zapcore.ArrayMarshaler) error {
	return c.now().AddArray(key, v)
}

func (c *common) AddReflected(key string, v any) error { return c.now().AddReflected(key, v) }
func (c *common) AddBinary(key string, v []byte)       { c.now().AddBinary(key, v) }
func (c *common) AddByteString(key string, v []byte)   { c.now().AddByteString(key, v) }

func (c *common) AddBool(key string, v bool)              { c.add(zap.Bool(key, v)) }
func (c *common) AddComplex128(key string, v complex128)  { c.add(zap.Complex128(key, v)) }
func (c *common) AddComplex64(key string, v complex64)    { c.add(zap.Complex64(key, v)) }
func (c *common) AddDuration(key string, v time.Duration) { c.add(zap.Duration(key, v)) }
func (c *common) AddFloat64(key string, v float64)        { c.add(zap.Float64(key, v)) }
func (c *common) AddFloat32(key string, v float32)        { c.add(zap.Float32(key, v)) }
func (c *common) AddInt(key string, v int)                { c.add(zap.Int(key, v)) }
func (c *common) AddInt64(key string, v int64)            { c.add(zap.Int64(key, v)) }
func (c *common) AddInt32(key string, v int32)            { c.add(zap.Int32(key, v)) }
func (c *common) AddInt16(key string, v int16)            { c.add(zap.Int16(key, v)) }
func (c *common) AddInt8(key string, v int8)              { c.add(zap.Int8(key, v)) }
func (c *common) AddString(key, v string)                 { c.add(zap.String(key, v)) }
func (c *common) AddTime(key string, v time.Time)         { c.add(zap.Time(key, v)) }
func (c *common) AddUint(key string, v uint)              { c.add(zap.Uint(key, v)) }
func (c *common) AddUint64(key string, v uint64)          { c.add(zap.Uint64(key, v)) }
func (c *common) AddUint32(key string, v uint32)          { c.add(zap.Uint32(key, v)) }
func (c *common) AddUint16(key string, v uint16)          { c.add(zap.Uint16(key, v)) }
func (c *common) AddUint8(key string, v uint8)            { c.add(zap.Uint8(key, v)) }
func (c *common) AddUintptr(key string, v uintptr)        { c.add(zap.Uintptr(key, v)) }
func (c *common) OpenNamespace(key string)                { c.add(zap.Namespace(key)) }

// Interface guard
var _ zapcore.ObjectEncoder = (*common)(nil)
