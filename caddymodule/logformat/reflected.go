package logformat

import (
	"bytes"
	"encoding/json"
)

// redactedValue is what an encoder that writes JSON makes of a value, without
// the credentials in it: Caddy logs whole configurations and event data so. It
// is the value itself where there are none, or where it is not JSON.
func redactedValue(key string, value any) any {
	encoded, _ := json.Marshal(value)
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var plain any
	_ = decoder.Decode(&plain)
	if clean, changed := hidden.set.Load().value(key, plain); changed {
		return clean
	}
	return value
}

// value takes the credentials out of decoded JSON, in place, and reports whether
// there were any. Objects are looked into whatever their name is: in a
// configuration `access_token` is where the options of its header stand.
func (s *nameSet) value(key string, v any) (clean any, changed bool) {
	switch v := v.(type) {
	case nil, bool:
		return v, false
	case map[string]any:
		for key, field := range v {
			clean, ok := s.value(key, field)
			v[key] = clean
			changed = changed || ok
		}
		return v, changed
	}
	if s.hidesKey(key) {
		return redacted, true
	}
	switch v := v.(type) {
	case string:
		clean := s.text(v)
		return clean, clean != v
	case []any:
		for i, element := range v {
			clean, ok := s.value("", element)
			v[i] = clean
			changed = changed || ok
		}
	}
	return v, changed
}
