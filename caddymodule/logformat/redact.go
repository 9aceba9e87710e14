package logformat

import (
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// objectEncoder stands before the encoder that writes, and takes credentials out
// of what is added to it, at every depth.
type objectEncoder struct {
	zapcore.ObjectEncoder `json:"-"`
}

func (e *objectEncoder) AddString(key, value string) {
	e.ObjectEncoder.AddString(key, redactedString(key, value))
}

func (e *objectEncoder) AddByteString(key string, value []byte) {
	e.ObjectEncoder.AddByteString(key, []byte(redactedString(key, string(value))))
}

func (e *objectEncoder) AddBinary(key string, value []byte) {
	e.ObjectEncoder.AddBinary(key, []byte(redactedString(key, string(value))))
}

func redactedString(key, value string) string {
	names := hidden.set.Load()
	if value != "" && names.hidesKey(key) {
		return redacted
	}
	return names.text(value)
}

func (e *objectEncoder) AddReflected(key string, value any) error {
	return e.ObjectEncoder.AddReflected(key, redactedValue(key, value))
}

// redactedStrings is the value of a header that was taken out.
var redactedStrings zapcore.ArrayMarshaler = caddyhttp.LoggableStringArray{redacted}

func (e *objectEncoder) AddArray(key string, values zapcore.ArrayMarshaler) error {
	if hidden.set.Load().hidesKey(key) {
		return e.ObjectEncoder.AddArray(key, redactedStrings)
	}
	return e.ObjectEncoder.AddArray(key, redactedArray(values))
}

func (e *objectEncoder) AddObject(key string, value zapcore.ObjectMarshaler) error {
	o := objects.Get().(*object)
	o.from = value
	err := e.ObjectEncoder.AddObject(key, o)
	*o = object{}
	objects.Put(o)
	return err
}

// objects are used again: an access log line has five.
var objects = sync.Pool{New: func() any { return new(object) }}

// object is an object of an entry without the credentials in it.
type object struct {
	objectEncoder
	from zapcore.ObjectMarshaler
}

func (o *object) MarshalLogObject(to zapcore.ObjectEncoder) error {
	o.ObjectEncoder = to
	return o.from.MarshalLogObject(o)
}

// redactedArray keeps the type that headers have, which filters of Caddy's look
// for, and copies it only where something has to be taken out.
func redactedArray(values zapcore.ArrayMarshaler) zapcore.ArrayMarshaler {
	header, ok := values.(caddyhttp.LoggableStringArray)
	if !ok {
		return &array{from: values}
	}
	names := hidden.set.Load()
	var changed caddyhttp.LoggableStringArray
	for i, value := range header {
		clean := names.text(value)
		if clean != value && changed == nil {
			changed = slices.Clone(header)
		}
		if changed != nil {
			changed[i] = clean
		}
	}
	if changed == nil {
		return values
	}
	return changed
}

// array is an array of an entry without the credentials in it.
type array struct {
	zapcore.ArrayEncoder
	from zapcore.ArrayMarshaler
}

func (a *array) MarshalLogArray(to zapcore.ArrayEncoder) error {
	a.ArrayEncoder = to
	return a.from.MarshalLogArray(a)
}

func (a *array) AppendString(value string) {
	a.ArrayEncoder.AppendString(redactedString("", value))
}

func (a *array) AppendByteString(value []byte) {
	a.ArrayEncoder.AppendByteString([]byte(redactedString("", string(value))))
}

func (a *array) AppendReflected(value any) error {
	return a.ArrayEncoder.AppendReflected(redactedValue("", value))
}

func (a *array) AppendArray(values zapcore.ArrayMarshaler) error {
	return a.ArrayEncoder.AppendArray(redactedArray(values))
}

func (a *array) AppendObject(value zapcore.ObjectMarshaler) error {
	return a.ArrayEncoder.AppendObject(&object{from: value})
}
