package main

import (
	"context"
	"net/http"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// act is something that happens to one person at Zoom.
type act struct {
	Name, Title, Effect string

	// do returns what the webhook answered, or nil if nobody is told.
	do func(ctx context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error)
}

var acts = []act{
	{
		"app_deauthorized", "Remove the app", "The user's tokens end, and Zoom says so.",
		func(ctx context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			return zoom.Deauthorize(ctx, clientID, userID)
		},
	},
	{
		"user.deactivated", "Deactivate the user", "The user's tokens end, and Zoom says so.",
		func(ctx context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			return zoom.DeactivateUser(ctx, clientID, userID)
		},
	},
	{
		"user.deleted", "Delete the user", "Zoom does not know the user any more, until it is started again.",
		func(ctx context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			return zoom.DeleteUser(ctx, clientID, userID)
		},
	},
	{
		"recording.completed", "Finish a recording", "It can be downloaded with the user's access token.",
		func(ctx context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			return zoom.CompleteRecording(ctx, clientID, zoomtest.Recording{
				HostID: userID, Topic: "A simulated meeting", Content: []byte("This would be a film.\n"),
			})
		},
	},
	{
		"endpoint.url_validation", "Validate the webhook", "Zoom does it when the address is entered, and every three days.",
		func(ctx context.Context, zoom *zoomtest.Server, _ string) (*http.Response, error) {
			return nil, zoom.ValidateWebhookURL(ctx, clientID)
		},
	},
	{
		"revoke", "End the tokens", "A sign-in elsewhere or an administrator did it; nobody is told.",
		func(_ context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			zoom.RevokeUser(clientID, userID)
			return nil, nil
		},
	},
	{
		"expire", "Let an hour pass", "The access token has expired; it can be refreshed.",
		func(_ context.Context, zoom *zoomtest.Server, userID string) (*http.Response, error) {
			zoom.ExpireAccessTokens(clientID, userID)
			return nil, nil
		},
	},
}
