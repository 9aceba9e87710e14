package zoomapi

import (
	"maps"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestSign(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	iat := float64(now.Unix() - 30)
	zero, one := 0, 1
	for name, test := range map[string]struct {
		claims MeetingClaims
		want   jwt.MapClaims
	}{
		"native": {MeetingClaims{}, jwt.MapClaims{"exp": iat + 7200, "tokenExp": iat + 7200}},
		"participant": {
			MeetingClaims{MeetingNumber: "123 456 7890", Role: &zero},
			jwt.MapClaims{"mn": "1234567890", "role": 0.0, "exp": iat + 7200, "tokenExp": iat + 7200},
		},
		"host for two days, WebRTC": {
			MeetingClaims{MeetingNumber: "123456789", Role: &one, ExpiresIn: 48 * time.Hour, VideoWebRTCMode: &one},
			jwt.MapClaims{
				"mn": "123456789", "role": 1.0, "exp": iat + 172800, "tokenExp": iat + 172800, "video_webrtc_mode": 1.0,
			},
		},
		"half an hour, no WebRTC": {
			MeetingClaims{ExpiresIn: 30 * time.Minute, VideoWebRTCMode: &zero},
			jwt.MapClaims{"exp": iat + 1800, "tokenExp": iat + 1800, "video_webrtc_mode": 0.0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.want["appKey"], test.want["sdkKey"], test.want["iat"] = "key", "key", iat
			signature, err := MeetingSDK{Key: "key", Secret: "secret"}.Sign(test.claims, now)
			if err != nil {
				t.Fatal(err)
			}
			got := jwt.MapClaims{}
			parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
			parsed, err := parser.ParseWithClaims(signature, got, func(*jwt.Token) (any, error) { return []byte("secret"), nil })
			if err != nil || parsed.Header["typ"] != "JWT" || !maps.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	good := MeetingSDK{Key: "key", Secret: "secret"}
	zero, two := 0, 2
	for name, test := range map[string]struct {
		sdk    MeetingSDK
		claims MeetingClaims
	}{
		"no key":               {MeetingSDK{Secret: "secret"}, MeetingClaims{}},
		"no secret":            {MeetingSDK{Key: "key"}, MeetingClaims{}},
		"meeting without role": {good, MeetingClaims{MeetingNumber: "123456789"}},
		"role without meeting": {good, MeetingClaims{Role: &zero}},
		"role 2":               {good, MeetingClaims{MeetingNumber: "123456789", Role: &two}},
		"short number":         {good, MeetingClaims{MeetingNumber: "123", Role: &zero}},
		"too short":            {good, MeetingClaims{ExpiresIn: 30*time.Minute - 1}},
		"too long":             {good, MeetingClaims{ExpiresIn: 48*time.Hour + 1}},
		"negative":             {good, MeetingClaims{ExpiresIn: -time.Hour}},
		"mode 2":               {good, MeetingClaims{VideoWebRTCMode: &two}},
	} {
		t.Run(name, func(t *testing.T) {
			if signature, err := test.sdk.Sign(test.claims, time.Now()); err == nil {
				t.Errorf("signed %s", signature)
			}
		})
	}
}
