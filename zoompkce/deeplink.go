package zoompkce

import (
	"context"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// Deeplink returns the address that opens the app in the visitor's Zoom client;
// see [zoomapi.Client.Deeplink]. Errors are those of [Manager.AccessToken].
func (m *Manager) Deeplink(ctx context.Context, s *Session) (address string, err error) {
	_, err = m.withGrant(ctx, s.user, func(ctx context.Context, t zoomapi.Token) (err error) {
		address, err = m.client.Deeplink(ctx, t)
		return err
	})
	return address, err
}
