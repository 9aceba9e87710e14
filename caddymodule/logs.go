package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/telemetry"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// logRefusal says what was refused, why, and where to look. A visitor who is
// not signed in is everyday life; trouble is not.
func (s *site) logRefusal(r *http.Request, f refusal) {
	level := zap.DebugLevel
	switch {
	case f.code.Status() >= 500:
		level = zap.ErrorLevel
	case f.code != outcome.SignInRequired && f.code != outcome.NotFound && f.code != outcome.MethodNotAllowed:
		level = zap.WarnLevel
	}
	s.logStep(r, level, "refused a request", f)
}

// logStep tells of a step of a request that was refused or has failed. What
// ended because the visitor left is no news. Anybody can cause such lines, so
// there are only some a second.
func (s *site) logStep(r *http.Request, level zapcore.Level, message string, f refusal) {
	if errors.Is(f.err, context.Canceled) {
		level = zap.DebugLevel
	}
	c := s.logger.Check(level, message)
	if c == nil {
		return
	}
	leftOut, ok := s.logLimit.Admit(string(f.code), time.Now())
	if !ok {
		return
	}
	fields := []zap.Field{
		zap.String("code", string(f.code)),
		zap.Int("status", f.code.Status()),
		zap.String("request_id", requestIDOf(r)),
		zap.String("method", r.Method),
		zap.String("path", browser.SentURL(r).Path),
	}
	if leftOut > 0 {
		fields = append(fields, zap.Uint64("left_out", leftOut))
	}
	if advice := f.advice(); advice != "" {
		fields = append(fields, zap.String("advice", advice))
	}
	if f.code == outcome.ZoomMisconfigured {
		fields = append(fields, zap.String("redirect_uri", s.redirectURIOf(r).uri))
	}
	c.Write(append(fields, errorFields(f.err)...)...)
}

// requestIDOf is the id of a request that Caddy's access log can have, too.
func requestIDOf(r *http.Request) string {
	id, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.request.uuid")
	return id
}

// errorFields are an error and, apart, what Zoom's support asks for.
func errorFields(err error) (fields []zap.Field) {
	if err == nil {
		return nil
	}
	fields = append(fields, zap.Error(err))
	if zoom, ok := errors.AsType[*zoomapi.Error](err); ok && zoom.TrackingID != "" {
		fields = append(fields, zap.String("zoom_tracking_id", zoom.TrackingID))
	}
	return fields
}

// advice tells an operator what to do about a refusal.
func (f refusal) advice() string {
	if errors.Is(f.err, bodies.ErrBusy) {
		return "somebody sends many large bodies at a time; Zoom repeats its deliveries"
	}
	if errors.As(f.err, new(*programs.BusyError)) {
		return "a user has sent many programs here whose documents have to be read; programs client knows one without"
	}
	if errors.As(f.err, new(*zoompkce.UnopenableError)) {
		return "this does not pass by itself: add the secret that the record was sealed with to cookie secret, " +
			"or end the user's sessions with DELETE /zoom_pkce/apps/<client_id>/users/<user id> at Caddy's admin API"
	}
	return f.code.Advice()
}

// observe counts, logs and emits what the session manager tells. It is no
// part of any one request: a refresh is for all that wait for it.
func (s *site) observe(e zoompkce.Event) {
	telemetry.Metrics.Observe(e)
	switch {
	case e.Kind == zoompkce.EventSignedIn, e.Kind == zoompkce.EventSignedOut, e.Kind == zoompkce.EventUserEnded:
		s.emit(string(e.Kind), map[string]any{"user_id": e.UserID})
	case e.Kind == zoompkce.EventProgramAllowed, e.Kind == zoompkce.EventProgramEnded:
		s.emit(string(e.Kind), map[string]any{"user_id": e.UserID, "program": s.programName(e), "outcome": e.Outcome})
	case e.Kind == zoompkce.EventRefresh && e.Err != nil:
		s.emit("refresh_failed", map[string]any{"user_id": e.UserID, "outcome": e.Outcome})
	}
	level, message := wording(e)
	if errors.Is(e.Err, context.Canceled) {
		level = zap.DebugLevel
	}
	c := s.logger.Check(level, message)
	if c == nil {
		return
	}
	fields := make([]zap.Field, 0, 6)
	if e.Kind == zoompkce.EventStoreError { // each request may be one that the store has no answer for
		leftOut, ok := s.logLimit.Admit(message, time.Now())
		if !ok {
			return
		}
		if leftOut > 0 {
			fields = append(fields, zap.Uint64("left_out", leftOut))
		}
	}
	if e.UserID != "" {
		fields = append(fields, zap.String("user_id", e.UserID))
	}
	if e.Outcome != "" {
		fields = append(fields, zap.String("outcome", e.Outcome))
	}
	if e.Client != nil {
		fields = append(fields, zap.String("program", s.programName(e)))
	}
	if e.Err != nil && zoomapi.KindOf(e.Err) != zoomapi.KindUnknown && e.Kind != zoompkce.EventRevokeFailed {
		if advice := adviceOn(e); advice != "" {
			fields = append(fields, zap.String("advice", advice))
		}
	}
	c.Write(append(fields, errorFields(e.Err)...)...)
}

// adviceOn tells an operator what to do about a call to Zoom that failed.
func adviceOn(e zoompkce.Event) string {
	if e.Kind == zoompkce.EventRefresh && zoomapi.KindOf(e.Err) == zoomapi.KindInvalidGrant {
		return "the user has to sign in again; many of these mean that something else refreshes with the same client_id, " +
			"or that several Caddys do not share their session store"
	}
	return refusalOf(e.Err).code.Advice()
}

// wording says what an event of the session manager is called in the log, and
// how loudly.
func wording(e zoompkce.Event) (zapcore.Level, string) {
	failed := e.Err != nil
	switch e.Kind {
	case zoompkce.EventSignedIn:
		if e.Outcome != "" {
			return zap.WarnLevel, "signed in, without name and e-mail address; has the Zoom app the scope user:read:user?"
		}
		return zap.InfoLevel, "signed in"
	case zoompkce.EventSignedOut:
		return zap.InfoLevel, "signed out"
	case zoompkce.EventUserEnded:
		return zap.InfoLevel, "ended all sessions of a user"
	case zoompkce.EventRefresh:
		if failed {
			return zap.WarnLevel, "refreshing a grant failed"
		}
		return zap.DebugLevel, "refreshed a grant"
	case zoompkce.EventZAK, zoompkce.EventOBF:
		if failed {
			return zap.WarnLevel, "fetching a " + string(e.Kind) + " token failed"
		}
		return zap.DebugLevel, "fetched a " + string(e.Kind) + " token"
	case zoompkce.EventStoreError:
		if errors.As(e.Err, new(*zoompkce.UnopenableError)) {
			return zap.ErrorLevel, "a session record cannot be opened; if its cookie secret is lost, " +
				"end the user's sessions with DELETE /zoom_pkce/apps/<client_id>/users/<user id> at Caddy's admin API"
		}
		return zap.ErrorLevel, "session store is in trouble; check that it can be reached, read and written"
	case zoompkce.EventCookieRejected:
		return zap.DebugLevel, "session cookie is worth nothing"
	case zoompkce.EventProgramAllowed:
		return zap.InfoLevel, "a program may use the site in a user's name"
	case zoompkce.EventProgramEnded:
		if strings.HasSuffix(e.Outcome, "_replayed") {
			return zap.WarnLevel, "ended a program: its code or refresh token came twice, so that somebody else may have it"
		}
		return zap.InfoLevel, "ended a program"
	case zoompkce.EventProgramRefresh:
		return zap.DebugLevel, "gave a program new tokens"
	case zoompkce.EventTokenRejected:
		return zap.DebugLevel, "token of a program is worth nothing"
	case zoompkce.EventPanic:
		return zap.ErrorLevel, "background work panicked; please report this"
	case zoompkce.EventRevokeFailed:
		return zap.WarnLevel, "could not revoke a token at Zoom; it stays valid until it expires"
	}
	return zap.DebugLevel, string(e.Kind)
}
