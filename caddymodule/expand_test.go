package caddymodule

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// No mistake repeats a secret, wherever the secret comes from and even where it
// looks like a placeholder.
func TestResolveErrorsHideSecrets(t *testing.T) {
	const secret = "s3cr3t"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZOOM_BAD_SECRET", secret+"\n")
	tests := map[string]struct {
		raw  string
		want string // what the message has to name instead
	}{
		"braces in a literal":        {"pa{" + secret + "}word", `write them as \{ and \}`},
		"spaces around a literal":    {" " + secret, "white space"},
		"control characters":         {secret + "\n", "line end"},
		"an unset variable":          {secret + "{env.ZOOM_UNSET}", "placeholder {env.ZOOM_UNSET} is empty"},
		"a missing file":             {secret + "{file." + file + ".missing}", "placeholder {file." + file + ".missing} is empty"},
		"a variable with a line end": {"{env.ZOOM_BAD_SECRET}", "{env.ZOOM_BAD_SECRET}: contains"},
		"a file with two line ends":  {"{file." + file + "}", "{file." + file + "}: contains"},
	}
	options := map[string]func(h *Handler, raw string){
		"client_secret":          func(h *Handler, raw string) { h.ClientSecret = raw },
		"meeting_sdk sdk_secret": func(h *Handler, raw string) { h.MeetingSDK = &MeetingSDK{SDKSecret: raw} },
		"backend secret":         func(h *Handler, raw string) { h.Backend = &Backend{Secret: []string{raw}} },
		"webhook secret_token":   func(h *Handler, raw string) { h.Webhook = &Webhook{SecretToken: []string{raw}} },
	}
	for option, set := range options {
		for name, test := range tests {
			t.Run(option+" with "+name, func(t *testing.T) {
				h := minimalHandler()
				set(h, test.raw)
				_, err := h.resolve(caddy.NewReplacer())
				if err == nil {
					t.Fatal("no error")
				}
				if message := err.Error(); strings.Contains(message, secret) {
					t.Errorf("error %q contains the secret", message)
				} else if !strings.Contains(message, option) || !strings.Contains(message, test.want) {
					t.Errorf("error %q does not name %s and %q", message, option, test.want)
				}
			})
		}
	}
	t.Run("several cookie secrets are told apart", func(t *testing.T) {
		h := minimalHandler()
		h.Cookie = &Cookie{Secret: []string{strings.Repeat("x", 32), secret}}
		_, err := h.resolve(caddy.NewReplacer())
		if err == nil || !strings.Contains(err.Error(), "cookie secret (number 2): has 6 bytes") || strings.Contains(err.Error(), secret) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a client key", func(t *testing.T) {
		for raw, want := range map[string]string{
			secret:                             "client_key: there is no private key in PEM",
			testClientKey[:80] + "{env.unset}": "placeholder {env.unset} is empty",
			"{file." + file + "}":              "client_key {file." + file + "}: there is no private key in PEM",
			"-----BEGIN PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(secret)) + "\n-----END PRIVATE KEY-----\n": "client_key: the private key is damaged",
		} {
			h := minimalHandler()
			h.ClientSecret, h.ClientKey = "", raw
			_, err := h.resolve(caddy.NewReplacer())
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "czNjcjN0") {
				t.Errorf("error is %v, want %s", err, want)
			}
		}
	})
	t.Run("a URL with a password", func(t *testing.T) {
		for _, url := range []string{"https://a:" + secret + "@zoom.us", "https://a:" + secret + "%zz@zoom.us", "http://a:" + secret + "@zoom.us"} {
			h := minimalHandler()
			h.OAuthURL = url
			if _, err := h.resolve(caddy.NewReplacer()); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("error is %v", err)
			}
		}
	})
}

func TestFormattingHidesSecrets(t *testing.T) {
	const secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"
	h := minimalHandler()
	h.ClientSecret = secret
	h.MeetingSDK = &MeetingSDK{SDKSecret: secret}
	h.Webhook = &Webhook{SecretToken: []string{secret}}
	h.Backend = &Backend{Secret: []string{secret}}
	h.Cookie = &Cookie{Secret: []string{secret}}
	s := mustResolve(t, h)
	bytes := fmt.Sprint([]byte(secret))
	hex := fmt.Sprintf("%x", secret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, printed := range []any{h, *h, s, *s, *s.meetingSDK, *s.webhook, *s.backend, s.cookie} {
			out := fmt.Sprintf(verb, printed)
			if strings.Contains(out, secret) || strings.Contains(out, bytes) || strings.Contains(out, hex) {
				t.Errorf("%s of %T prints the secret", verb, printed)
			}
		}
	}
}
