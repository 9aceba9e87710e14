package zoomtest

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Deauthorize is a user who removes an app: all tokens of the user for the app
// end, ZAKs excepted, and Zoom says so with an app_deauthorized event. If the
// app has no webhook, the tokens end and an error is returned.
func (s *Server) Deauthorize(ctx context.Context, clientID, userID string) (*http.Response, error) {
	s.mu.Lock()
	s.endGrants(grantKey{clientID, userID})
	user, now := s.users[userID], s.now()
	s.mu.Unlock()
	if user == nil {
		return nil, errNoUser(userID)
	}
	return s.Webhook(ctx, clientID, "app_deauthorized", map[string]string{
		"account_id":           user.AccountID,
		"user_id":              userID,
		"signature":            randomHex(32),
		"deauthorization_time": now.UTC().Format("2006-01-02T15:04:05.000Z"),
		"client_id":            clientID,
	})
}

// ValidateWebhookURL does what Zoom does before it takes a webhook URL, and
// again from time to time: it sends an endpoint.url_validation event, itself
// signed, and expects the token in it back together with its HMAC.
func (s *Server) ValidateWebhookURL(ctx context.Context, clientID string) error {
	app, err := s.webhookApp(clientID)
	if err != nil {
		return err
	}
	plain := randomID(16)
	body, err := s.webhookBody("endpoint.url_validation", map[string]string{"plainToken": plain})
	if err != nil {
		return err
	}
	resp, err := s.deliver(ctx, app, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook answered %s to its validation", resp.Status)
	}
	var answer struct{ PlainToken, EncryptedToken string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("reading the answer to the validation: %w", err)
	}
	if answer.PlainToken != plain ||
		!hmac.Equal([]byte(answer.EncryptedToken), []byte(hmacHex(app.WebhookSecret, plain))) {
		return errors.New("the webhook answered its validation with the wrong tokens")
	}
	return nil
}
