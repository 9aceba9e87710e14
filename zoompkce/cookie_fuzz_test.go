package zoompkce

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// FuzzOpenCookie: what opens is what was sealed, for the purpose and under the
// name it was sealed for, whatever a browser sends.
func FuzzOpenCookie(f *testing.F) {
	k, err := newKeys("1a2b3c4d", [][]byte{bytes.Repeat([]byte("new"), 20), bytes.Repeat([]byte("old"), 20)})
	if err != nil {
		f.Fatal(err)
	}
	old, err := newKeys("1a2b3c4d", [][]byte{bytes.Repeat([]byte("old"), 20)})
	if err != nil {
		f.Fatal(err)
	}
	const sessionName, loginName = "__Host-zoom_pkce_1a2b3c4d", "__Host-zoom_pkce_1a2b3c4d_01234567"
	// The same in every process that fuzzes.
	session := sessionCookie{user: keyOf("ada"), id: sessionID{1, 2, 3}, created: 1795300000000, issued: 1795300000001}.marshal()
	login := []byte(`{"f":"browser","s":"state","v":"verifier","u":"https://app.example.com/cb","r":"/","t":1}`)
	seal := func(k *keys, purpose, name string, payload []byte) string {
		value, err := k.sealCookie(purpose, name, payload)
		if err != nil {
			f.Fatal(err)
		}
		return value
	}
	for _, value := range []string{
		seal(k, purposeSession, sessionName, session), seal(old, purposeSession, sessionName, session),
		seal(k, purposeLogin, loginName, login), seal(k, purposeLogin, sessionName, login),
		seal(k, purposeSession, sessionName, session[:10]), seal(k, purposeSession, sessionName, nil),
		"", "=", "a|b|c", strings.Repeat("A", 5000), "MTc|==", "\x00\xff",
	} {
		f.Add(value)
		f.Add(value + "A")
		f.Add(value[len(value)/2:])
	}
	m := &Manager{jar: newCookieJar(CookieConfig{}, "1a2b3c4d"), memory: NewMemory()}
	f.Cleanup(m.memory.Close)
	f.Fuzz(func(t *testing.T, value string) {
		if c := m.openSession(k, value, time.Now()); c != nil && !bytes.Equal(c.marshal(), session) {
			t.Errorf("a session that was never sealed: %q", value)
		}
		if plain, ok := k.openCookie(purposeLogin, loginName, value); ok && !bytes.Equal(plain, login) {
			t.Errorf("a login that was never sealed: %q", value)
		}
		if _, ok := k.openCookie(purposeSession, loginName, value); ok {
			t.Errorf("opened under another name: %q", value)
		}
		if stateRestarted(k, value) {
			t.Errorf("a restart mark that was never made: %q", value)
		}
	})
}
