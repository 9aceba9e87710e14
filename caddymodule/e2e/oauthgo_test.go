package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// tokenRequests lets a client's requests through and remembers how those to the
// token endpoint named the client.
type tokenRequests struct{ inHeader []bool }

func (r *tokenRequests) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/oauth/token") {
		_, _, basic := req.BasicAuth()
		r.inHeader = append(r.inHeader, basic)
	}
	return direct.RoundTrip(req)
}

// answerProgram is what a person does whom a program sent to the browser: signs
// in at Zoom, unless they are, and presses a button of the consent page. It
// returns where the browser goes next.
func (b *browser) answerProgram(authorize, userID, decision string) (back string) {
	b.w.t.Helper()
	a := b.open(authorize)
	if a.StatusCode == http.StatusSeeOther {
		a = b.open(b.open(b.consent(a, userID)).Header.Get("Location"))
	}
	if a = b.pressConsent(a, decision); a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("the consent was answered with %d, want 303\n%s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}

// A program in Go that leaves everything at its default: the library names the
// client in a Basic header with an empty password first.
func TestProgramOnOAuth2(t *testing.T) {
	for _, tt := range []struct {
		name     string
		style    oauth2.AuthStyle
		inHeader bool
	}{
		{"by default", oauth2.AuthStyleAutoDetect, true},
		{"in the form", oauth2.AuthStyleInParams, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.load(w.site("programs {\nclient cli http://127.0.0.1/callback\n}"))
			requests := new(tokenRequests)
			ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: requests, Timeout: 30 * time.Second})
			config := oauth2.Config{
				ClientID:    "cli",
				RedirectURL: "http://127.0.0.1:54321/callback",
				Endpoint: oauth2.Endpoint{
					AuthURL: w.url + "/zoom_pkce/oauth/authorize", TokenURL: w.url + "/zoom_pkce/oauth/token", AuthStyle: tt.style,
				},
			}

			verifier := oauth2.GenerateVerifier()
			b := w.browser()
			back, err := url.Parse(b.answerProgram(config.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier)), "user-ada", "allow"))
			if err != nil {
				t.Fatal(err)
			}
			answer := back.Query()
			if back.Host != "127.0.0.1:54321" || answer.Get("state") != "a state" || answer.Get("iss") != w.url {
				t.Fatalf("the browser was sent to %s", back)
			}
			token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(token.Expiry); left < 59*time.Minute || left > time.Hour || token.Type() != "Bearer" || token.RefreshToken == "" {
				t.Errorf("a %s token for %s", token.Type(), left)
			}
			use := func(token *oauth2.Token) {
				t.Helper()
				resp, err := config.Client(ctx, token).Get(w.url + "/page")
				if err != nil {
					t.Fatal(err)
				}
				if got := w.browser().read(resp).received(t).Header; got.Get("X-Zoom-User-Id") != "user-ada" || got["Authorization"] != nil {
					t.Errorf("the app received %q", got)
				}
			}
			use(token)

			stale := *token
			stale.Expiry = time.Now().Add(-time.Minute)
			renewed, err := config.TokenSource(ctx, &stale).Token()
			if err != nil {
				t.Fatal(err)
			}
			if renewed.AccessToken == token.AccessToken || renewed.RefreshToken == token.RefreshToken {
				t.Error("the refresh gave the same tokens")
			}
			use(renewed)
			// One for the code and one for the refresh: none was sent again in another way.
			if len(requests.inHeader) != 2 || requests.inHeader[0] != tt.inHeader || requests.inHeader[1] != tt.inHeader {
				t.Errorf("requests with a Basic header: %v", requests.inHeader)
			}
		})
	}
}

// What the library makes of a refusal.
func TestProgramOnOAuth2IsRefused(t *testing.T) {
	w := newWorld(t)
	w.load(w.site("programs {\nclient cli http://127.0.0.1/callback\n}"))
	config := oauth2.Config{
		ClientID:    "cli",
		RedirectURL: "http://127.0.0.1:54321/callback",
		Endpoint:    oauth2.Endpoint{AuthURL: w.url + "/zoom_pkce/oauth/authorize", TokenURL: w.url + "/zoom_pkce/oauth/token"},
	}
	verifier := oauth2.GenerateVerifier()
	authorize := config.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier))
	b := w.browser()
	declined, err := url.Parse(b.answerProgram(authorize, "user-ada", "deny"))
	if err != nil {
		t.Fatal(err)
	}
	if got := declined.Query(); got.Get("error") != "access_denied" || got.Get("state") != "a state" || got.Get("iss") != w.url || got.Has("code") {
		t.Errorf("declining sent the browser to %s", declined)
	}
	allowed, err := url.Parse(b.answerProgram(authorize, "user-ada", "allow"))
	if err != nil {
		t.Fatal(err)
	}
	code := allowed.Query().Get("code")
	var refused *oauth2.RetrieveError
	if _, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("another verifier: %v", err)
	}
	// Whoever has no verifier has not spent the code of the program that does.
	if _, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err != nil {
		t.Error(err)
	}
}
