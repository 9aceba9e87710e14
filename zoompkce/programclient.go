package zoompkce

import "context"

// MaxClientID is how long the id of a client that registered itself may be, in
// bytes.
const MaxClientID = 600

// SealClientID returns an id for a client that registers itself at an issuer. All
// that is known of it is in the id, so that nothing has to be stored, and nothing
// is forgotten while the secret lives. It is longer than [MaxClientID] if there is
// too much to know.
func (m *Manager) SealClientID(ctx context.Context, issuer string, client []byte) (string, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return "", err
	}
	return k.sealToken(kindClient, issuer, client), nil
}

// OpenClientID opens what SealClientID made for the same issuer. Its errors are
// [ErrUnknownToken] or a [*StoreError].
func (m *Manager) OpenClientID(ctx context.Context, issuer, id string) ([]byte, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return nil, err
	}
	client, ok := k.openToken(kindClient, issuer, id)
	if !ok {
		return nil, ErrUnknownToken
	}
	return client, nil
}
