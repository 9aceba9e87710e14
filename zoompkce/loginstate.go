package zoompkce

import (
	"context"
	"crypto/rand"
	"encoding/base64"
)

// A state is 32 random bytes, then a mark, then the proof that the mark is ours:
// whether a login is a restart has to be known even where no cookie was kept,
// or a browser without cookies would go round for ever.
const (
	stateRandomLen = 32
	stateLen       = stateRandomLen + 1 + stateMACLen
)

func newState(k *keys, restarted bool) string {
	state := make([]byte, stateRandomLen+1, stateLen)
	rand.Read(state[:stateRandomLen])
	if restarted {
		state[stateRandomLen] = 1
	}
	return base64.RawURLEncoding.EncodeToString(append(state, k.stateMAC(state)...))
}

func stateRestarted(k *keys, state string) bool {
	if len(state) != base64.RawURLEncoding.EncodedLen(stateLen) {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil || len(raw) != stateLen {
		return false
	}
	message, mac := raw[:stateRandomLen+1], raw[stateRandomLen+1:]
	return message[stateRandomLen] == 1 && k.verifyStateMAC(message, mac)
}

// StateRestarted reports whether a state was made here for a login that
// already followed a failed one, whether or not its cookie is there.
func (m *Manager) StateRestarted(ctx context.Context, state string) (bool, error) {
	k, err := m.loadKeys(ctx)
	if err != nil {
		return false, err
	}
	return stateRestarted(k, state), nil
}
