package zoomapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The webhook events this package knows the payload of.
const (
	// EventURLValidation asks for proof of the secret token; see WebhookURLToken.
	EventURLValidation = "endpoint.url_validation"
	// EventDeauthorized says that a user removed the app.
	EventDeauthorized = "app_deauthorized"
	// EventUserDeactivated says that an account's administrator has shut a user out.
	EventUserDeactivated = "user.deactivated"
	// EventUserDeleted says that a user has left the account.
	EventUserDeleted = "user.deleted"
)

var webhookSignature = regexp.MustCompile(`^v0=[0-9a-f]{64}$`)

// IsWebhookSignature reports whether a header x-zm-signature has the shape of one;
// without that no body is worth reading.
func IsWebhookSignature(signature string) bool { return webhookSignature.MatchString(signature) }

var plainToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// VerifyWebhook reports whether one of secrets signed a delivery: signature is
// the header x-zm-signature, timestamp x-zm-request-timestamp and body the bytes
// as received; JSON that was decoded and encoded again does not verify. The age
// of the delivery is for the caller to judge, with WebhookTime.
// (github.com/zoom/webhook-sample)
func VerifyWebhook(secrets []string, timestamp, signature string, body []byte) bool {
	ok := false
	for _, secret := range secrets {
		if secret == "" { // everybody could sign with that
			continue
		}
		want := "v0=" + webhookMAC(secret, "v0:"+timestamp+":", body)
		if hmac.Equal([]byte(want), []byte(signature)) {
			ok = true
		}
	}
	return ok
}

// WebhookTime reads the header x-zm-request-timestamp, seconds since 1970.
func WebhookTime(timestamp string) (time.Time, bool) {
	s, _ := strconv.ParseInt(timestamp, 10, 64) // 0, or far away, where it is no time
	if s <= 0 || s > 253402300799 {
		return time.Time{}, false
	}
	return time.Unix(s, 0), true
}

// WebhookURLToken answers the challenge of EventURLValidation, reporting false
// for a token unlike those Zoom sends. Since the answer is an HMAC with the key
// of the signatures, a free choice of the text would make this endpoint sign
// "v0:<timestamp>:<body>" for anybody; without the colon it cannot.
func WebhookURLToken(secret, token string) (encrypted string, ok bool) {
	if secret == "" || !plainToken.MatchString(token) {
		return "", false
	}
	return webhookMAC(secret, token, nil), true
}

func webhookMAC(secret, prefix string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(prefix))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Webhook is a delivery of Zoom, as far as this package knows its payload.
type Webhook struct {
	// Event is the name of the event, for example EventDeauthorized.
	Event string
	// EventTS is when it happened at Zoom, zero if Zoom does not say.
	EventTS time.Time
	// PlainToken is the challenge of EventURLValidation.
	PlainToken string
	// UserID is whom the event is about: who removed the app, or who was
	// deactivated or deleted. Default: empty.
	UserID string
	// AccountID is the Zoom account it happened in. Default: empty.
	AccountID string
	// ClientID is the app that it names, which can be another client id of the same
	// Zoom app. Default: empty.
	ClientID string

	strange bool // it names an app by what is no client id
}

// Concerns reports whether the delivery is for the app with one of these client
// ids: whether it names one of them, or none.
func (w Webhook) Concerns(clientIDs ...string) bool {
	return !w.strange && (w.ClientID == "" || slices.Contains(clientIDs, w.ClientID))
}

// ParseWebhook reads the body of a delivery, which VerifyWebhook must have
// accepted before. Fields that are absent or malformed are empty.
func ParseWebhook(body []byte) (Webhook, error) {
	var wire struct {
		Event   json.RawMessage `json:"event"`
		EventTS json.RawMessage `json:"event_ts"`
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return Webhook{}, errNotJSON
	}
	w := Webhook{Event: jsonText(wire.Event), EventTS: jsonMillis(wire.EventTS)}
	if !visibleASCII(w.Event, 128) {
		return Webhook{}, malformed("event")
	}
	var payload struct {
		PlainToken json.RawMessage `json:"plainToken"`
		UserID     json.RawMessage `json:"user_id"`
		AccountID  json.RawMessage `json:"account_id"`
		ClientID   json.RawMessage `json:"client_id"`
		Object     json.RawMessage `json:"object"`
	}
	if json.Unmarshal(wire.Payload, &payload) != nil {
		return w, nil // an event without an object as payload
	}
	id := func(raw json.RawMessage) string {
		if s := jsonText(raw); validID(s) {
			return s
		}
		return ""
	}
	if s := jsonText(payload.PlainToken); plainToken.MatchString(s) {
		w.PlainToken = s
	}
	w.UserID, w.AccountID, w.ClientID = id(payload.UserID), id(payload.AccountID), id(payload.ClientID)
	w.strange = w.ClientID == "" && !slices.Contains([]string{"", "null", `""`}, string(payload.ClientID))
	if w.Event == EventUserDeactivated || w.Event == EventUserDeleted {
		var object struct {
			ID json.RawMessage `json:"id"`
		}
		_ = json.Unmarshal(payload.Object, &object)
		w.UserID = id(object.ID)
	}
	return w, nil
}
