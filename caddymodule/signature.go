package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/pages"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// signatureRequest and the answers are the contract of Zoom's sample
// (github.com/zoom/meetingsdk-auth-endpoint-sample), so that a client written
// for it works by changing its URL.
type signatureRequest struct {
	MeetingNumber     *bodies.Number `json:"meetingNumber"`
	Role              *bodies.Number `json:"role"`
	ExpirationSeconds *bodies.Number `json:"expirationSeconds"`
	VideoWebRTCMode   *bodies.Number `json:"videoWebRtcMode"`
}

type signatureAnswer struct {
	Signature string `json:"signature"`
	SDKKey    string `json:"sdkKey"`
}

type signatureErrors struct {
	Errors []signatureError `json:"errors"`
}

type signatureError struct {
	Property string `json:"property"`
	Reason   string `json:"reason"`
}

func (s *site) hasMeetingSDK() bool { return s.meetingSDK != nil }

// warnOpenSignatures warns of a site that signs for the whole world.
func (s *site) warnOpenSignatures() {
	if s.meetingSDK != nil && s.allow == nil {
		s.logger.Warn("meeting_sdk without allow: every Zoom user in the world can sign in here and get signatures "+
			"in the name of this SDK key; list who may in allow",
			zap.String("sdk_key", s.meetingSDK.sdkKey), zap.String("redirect_uri", s.redirectURIs[0].uri))
	}
}

// serveSignature signs a visitor into a meeting. The signature is the
// app's word that whoever holds it may join in that role, so it is given to
// nobody but signed-in visitors that allow lets in, and each one is logged.
func (s *site) serveSignature(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, profile, err := s.keyHolder(w, r, v)
	if err != nil {
		return s.refuse(w, r, refusalOf(err))
	}
	var wish signatureRequest
	if err := visitorBodies.ReadJSON(w, r, &wish); errors.Is(err, bodies.ErrBusy) {
		return s.refuse(w, r, bodyRefusal(err))
	} else if err != nil {
		return s.refuseSignature(w, r, []signatureError{{"$body", err.Error()}})
	}
	claims, problems := s.meetingSDK.claims(wish)
	if len(problems) > 0 {
		return s.refuseSignature(w, r, problems)
	}
	sdk := zoomapi.MeetingSDK{Key: s.meetingSDK.sdkKey, Secret: string(s.meetingSDK.sdkSecret)}
	signature, err := sdk.Sign(claims, time.Now())
	if err != nil {
		return s.refuseSignature(w, r, []signatureError{{"$schema", err.Error()}})
	}
	fields := []zap.Field{zap.String("user_id", profile.ID), zap.String("meeting", claims.MeetingNumber)}
	if claims.Role != nil {
		fields = append(fields, zap.Int("role", *claims.Role))
	}
	s.logger.Info("signed a meeting sdk signature", fields...)
	return s.answer(w, signatureAnswer{signature, s.meetingSDK.sdkKey})
}

// refuseSignature is a refusal in the words of the sample, for whose clients
// handle_errors has none.
func (s *site) refuseSignature(w http.ResponseWriter, r *http.Request, problems []signatureError) error {
	properties := make([]string, len(problems))
	for i, p := range problems {
		properties[i] = p.Property
	}
	s.tell(r, refusal{code: outcome.BadRequest, err: fmt.Errorf("signature: bad %s", strings.Join(properties, ", "))})
	pages.WriteJSON(w, http.StatusBadRequest, "application/json", signatureErrors{problems}, s.security(), 0)
	return nil
}

const (
	minSignatureSeconds = int(minSignatureLife / time.Second)
	maxSignatureSeconds = int(maxSignatureLife / time.Second)
)

// claims checks a wish. A longer life than configured is cut, not refused: the
// page does not know the configuration.
func (m *meetingSDKSettings) claims(wish signatureRequest) (c zoomapi.MeetingClaims, problems []signatureError) {
	fail := func(property, reason string, args ...any) {
		problems = append(problems, signatureError{property, fmt.Sprintf(reason, args...)})
	}
	if (wish.MeetingNumber == nil) != (wish.Role == nil) {
		fail("$schema", "meetingNumber and role belong together: send both or neither")
	}
	if wish.MeetingNumber != nil {
		meeting, ok := zoomapi.MeetingNumber(string(*wish.MeetingNumber))
		if !ok {
			fail("meetingNumber", "must be a number of 9 to 12 digits")
		}
		c.MeetingNumber = meeting
	}
	if wish.Role != nil {
		role, err := strconv.Atoi(string(*wish.Role))
		switch {
		case err != nil || role != 0 && role != 1:
			fail("role", "must be 0 (participant) or 1 (host)")
		case !slices.Contains(m.roles, role):
			fail("role", "role %d is not given out here", role)
		}
		c.Role = &role
	}
	c.ExpiresIn = m.expiresIn
	if wish.ExpirationSeconds != nil {
		seconds, _ := strconv.Atoi(string(*wish.ExpirationSeconds)) // what is no number is too short
		if seconds < minSignatureSeconds || seconds > maxSignatureSeconds {
			fail("expirationSeconds", "must be a number from %d to %d", minSignatureSeconds, maxSignatureSeconds)
		}
		c.ExpiresIn = min(m.expiresIn, time.Duration(seconds)*time.Second)
	}
	if wish.VideoWebRTCMode != nil {
		mode, err := strconv.Atoi(string(*wish.VideoWebRTCMode))
		if err != nil || mode != 0 && mode != 1 {
			fail("videoWebRtcMode", "must be 0 or 1")
		}
		c.VideoWebRTCMode = &mode
	}
	return c, problems
}
