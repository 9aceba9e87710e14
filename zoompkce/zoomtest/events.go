package zoomtest

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

const deauthorized = "app_deauthorized"

// Deauthorize is a user who removes an app: all tokens of the user for the app
// end, ZAKs excepted, and Zoom says so with an app_deauthorized event. If the
// app has no webhook, the tokens end and an error is returned.
func (s *Server) Deauthorize(ctx context.Context, clientID, userID string) (*http.Response, error) {
	s.mu.Lock()
	s.endGrants(grantKey{clientID, userID})
	user, app, now := s.users[userID], s.apps[clientID], s.now()
	s.mu.Unlock()
	switch {
	case user == nil:
		return nil, errNoUser(userID)
	case app == nil:
		return nil, errNoApp(clientID)
	}
	return s.Webhook(ctx, clientID, deauthorized, map[string]string{
		"account_id":           user.AccountID,
		"user_id":              userID,
		"signature":            randomHex(32),
		"deauthorization_time": now.UTC().Format("2006-01-02T15:04:05.000Z"),
		"client_id":            cmp.Or(app.EventClientID, clientID),
	})
}

// DeactivateUser is an administrator who deactivates a user: the user's tokens
// for all apps end, and the app named hears of it with a user.deactivated
// event. Whether Zoom ends ZAKs as well is not known; here they live on, and
// the user may sign in again, as after a reactivation.
func (s *Server) DeactivateUser(ctx context.Context, clientID, userID string) (*http.Response, error) {
	s.mu.Lock()
	user := s.users[userID]
	for key := range s.grants {
		if key.userID == userID {
			s.endGrants(key)
		}
	}
	s.mu.Unlock()
	return s.userEvent(ctx, clientID, "user.deactivated", userID, user)
}

// DeleteUser is RemoveUser of which the app named hears with a user.deleted
// event.
func (s *Server) DeleteUser(ctx context.Context, clientID, userID string) (*http.Response, error) {
	s.mu.Lock()
	user := s.users[userID]
	s.mu.Unlock()
	s.RemoveUser(userID)
	return s.userEvent(ctx, clientID, "user.deleted", userID, user)
}

// userEvent delivers an event about a user. It names no client id.
func (s *Server) userEvent(ctx context.Context, clientID, event, userID string, user *User) (*http.Response, error) {
	if user == nil {
		return nil, errNoUser(userID)
	}
	return s.Webhook(ctx, clientID, event, map[string]any{
		"account_id": user.AccountID,
		"object": map[string]any{
			"id":         userID,
			"email":      user.Email,
			"first_name": user.FirstName,
			"last_name":  user.LastName,
			"type":       user.Type,
		},
	})
}

// ValidateWebhookURL does what Zoom does before it takes a webhook URL, and
// every 72 hours from then on: it sends an endpoint.url_validation event,
// itself signed, and expects the token in it back together with its HMAC.
func (s *Server) ValidateWebhookURL(ctx context.Context, clientID string) error {
	plain := randomID(16)
	d, err := s.newDelivery(clientID, "endpoint.url_validation", map[string]string{"plainToken": plain})
	if err != nil {
		return err
	}
	resp, err := s.deliver(ctx, d)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook answered %s to its validation", resp.Status)
	}
	var answer struct{ PlainToken, EncryptedToken string }
	_ = json.NewDecoder(resp.Body).Decode(&answer) // what cannot be read has no tokens
	if answer.PlainToken != plain ||
		!hmac.Equal([]byte(answer.EncryptedToken), []byte(hmacHex(d.secret, plain))) {
		return errors.New("the webhook answered its validation with the wrong tokens")
	}
	return nil
}
