package logformat

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// format is what the encoder is called in a configuration.
const format = "zoom_pkce"

// Missing is what an operator is told whose configuration has no log that uses the encoder.
const Missing = "no log has the format zoom_pkce: Caddy's logs show access tokens and ZAKs when a transfer breaks off, and the query of the callback; " +
	"write `format zoom_pkce` into every log"

// configurations are those being loaded or running with a log that uses the
// encoder, known by the channel that is closed at their end.
var configurations sync.Map

func noteUse(ctx caddy.Context) {
	end := ctx.Done()
	if end == nil {
		return // never ends: a test's
	}
	configurations.Store(end, struct{}{})
	context.AfterFunc(ctx, func() { configurations.Delete(end) })
}

// InUse reports whether a log of the configuration that ctx belongs to uses the
// encoder. Caddy opens the logs first, so apps and handlers may ask from
// Provision on.
func InUse(ctx caddy.Context) bool {
	_, ok := configurations.Load(ctx.Done())
	return ok
}

// Configured reports whether a log of a configuration uses the encoder, by
// itself or wrapped by another, without loading it.
func Configured(logs *caddy.Logging) bool {
	if logs == nil {
		return false
	}
	for _, log := range logs.Logs {
		if log != nil && wraps(log.EncoderRaw) {
			return true
		}
	}
	return false
}

// defaultLog is the log that Caddy has without being asked to.
const defaultLog = "default"

// Without names the logs of a configuration that show credentials: each that takes
// entries of requests and does not use the encoder. Caddy's own default log is one.
func Without(logs *caddy.Logging) (names []string) {
	all := map[string]*caddy.CustomLog{defaultLog: new(caddy.CustomLog)}
	if logs != nil {
		maps.Copy(all, logs.Logs)
	}
	for name, log := range all {
		if log == nil {
			log = new(caddy.CustomLog)
		}
		if !wraps(log.EncoderRaw) && !discards(log.WriterRaw) && takesRequests(log) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// takesRequests reports whether entries of Caddy's http app can come to a log.
func takesRequests(log *caddy.CustomLog) bool {
	return len(log.Include) == 0 || slices.ContainsFunc(log.Include, func(logger string) bool {
		return logger == "http" || strings.HasPrefix(logger, "http.")
	})
}

func discards(writer json.RawMessage) bool {
	var w struct {
		Output string `json:"output"`
	}
	return json.Unmarshal(writer, &w) == nil && w.Output == "discard"
}

// ConfiguredIn is Configured for a whole configuration, as JSON. The error says
// that it is none.
func ConfiguredIn(config []byte) (bool, error) {
	var c struct {
		Logging *caddy.Logging `json:"logging"`
	}
	err := json.Unmarshal(config, &c)
	return Configured(c.Logging), err
}

// wraps reports whether an encoder is this one, or wraps it. What is no encoder
// is Caddy's to refuse.
func wraps(encoder json.RawMessage) bool {
	for encoder != nil {
		var e struct {
			Format string          `json:"format"`
			Wrap   json.RawMessage `json:"wrap"`
		}
		if json.Unmarshal(encoder, &e) != nil {
			return false
		}
		if e.Format == format {
			return true
		}
		encoder = e.Wrap
	}
	return false
}
