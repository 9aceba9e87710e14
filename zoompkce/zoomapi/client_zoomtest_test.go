package zoomapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const callbackURI = "https://app.example/zoom_pkce/callback"

type simulation struct {
	*testing.T
	zoom   *zoomtest.Server
	app    *zoomtest.App
	client *zoomapi.Client
}

// simulate starts a simulated Zoom with one app and one user, ada.
func simulate(t *testing.T, public bool, change ...func(*zoomapi.Config)) *simulation {
	t.Helper()
	zoom := zoomtest.NewServer()
	t.Cleanup(zoom.Close)
	app := zoomtest.App{RedirectURIs: []string{callbackURI}}
	if !public {
		app.ClientSecret = "a:secret/of%an+app" // every character that a Basic header could damage
	}
	s := &simulation{T: t, zoom: zoom, app: zoom.AddApp(app)}
	zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "acc", Email: "ada@example.com", Verified: 1, FirstName: "Ada", LastName: "L"})
	cfg := zoomapi.Config{ClientID: s.app.ClientID, ClientSecret: s.app.ClientSecret, OAuthURL: zoom.URL, Timeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	client, err := zoomapi.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	s.client = client
	return s
}

// consent has ada allow the app and returns the code at the callback.
func (s *simulation) consent(verifier string) (code string) {
	s.Helper()
	callback, err := s.zoom.SignIn(s.Context(), s.client.AuthCodeURL(callbackURI, "the-state", verifier), "ada")
	if err != nil {
		s.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil || u.Query().Get("state") != "the-state" {
		s.Fatalf("callback %s, %v", callback, err)
	}
	return u.Query().Get("code")
}

func (s *simulation) signIn() zoomapi.Token {
	s.Helper()
	verifier := zoomapi.NewVerifier()
	token, err := s.client.Exchange(s.Context(), callbackURI, s.consent(verifier), verifier)
	if err != nil {
		s.Fatal(err)
	}
	return *token
}

func TestSimulatedLife(t *testing.T) {
	for _, public := range []bool{false, true} {
		t.Run(fmt.Sprintf("public %v", public), func(t *testing.T) {
			s := simulate(t, public)
			ctx := t.Context()
			token := s.signIn()
			if len(token.Scopes) == 0 || token.APIURL != s.zoom.URL || time.Until(token.Expiry) < 59*time.Minute {
				t.Errorf("scopes %q, api_url %q, expiry %v", token.Scopes, token.APIURL, token.Expiry)
			}
			profile, err := s.client.Me(ctx, token)
			if want := (zoomapi.Profile{ID: "ada", AccountID: "acc", Email: "ada@example.com", Name: "Ada L"}); err != nil || profile != want {
				t.Errorf("got %+v, %v", profile, err)
			}
			for _, lifetime := range []time.Duration{0, time.Hour} {
				zak, err := s.client.ZAK(ctx, token, lifetime)
				if user, _, ok := s.zoom.ValidateZAK(zak.Token); err != nil || !ok || user != "ada" {
					t.Errorf("ZAK for %v: %v, of %q", lifetime, err, user)
				}
			}
			obf, err := s.client.OBF(ctx, token, "123-456-7890", 0)
			if user, meeting, ok := s.zoom.ValidateOBF(obf.Token); err != nil || !ok || user != "ada" || meeting != "1234567890" {
				t.Errorf("OBF: %v, of %q for %q", err, user, meeting)
			}
			fresh, err := s.client.Refresh(ctx, token.RefreshToken)
			if err != nil {
				t.Fatal(err)
			}
			if fresh.RefreshToken == token.RefreshToken || fresh.AccessToken == token.AccessToken {
				t.Error("the tokens did not rotate")
			}
			if _, err := s.client.Refresh(ctx, token.RefreshToken); zoomapi.KindOf(err) != zoomapi.KindInvalidGrant {
				t.Errorf("a used refresh token: %v", err)
			}
			if err := s.client.Revoke(ctx, fresh.AccessToken); err != nil {
				t.Fatal(err)
			}
			if _, err := s.client.Me(ctx, *fresh); zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
				t.Errorf("a revoked token: %v", err)
			}
		})
	}
}

func TestSimulatedRefusals(t *testing.T) {
	type act func(s *simulation) error
	// withToken signs in, lets prepare happen and calls the API.
	withToken := func(prepare func(s *simulation), call func(*simulation, zoomapi.Token) error) act {
		return func(s *simulation) error {
			token := s.signIn()
			prepare(s)
			return call(s, token)
		}
	}
	me := func(s *simulation, t zoomapi.Token) error { _, err := s.client.Me(s.Context(), t); return err }
	zak := func(s *simulation, t zoomapi.Token) error { _, err := s.client.ZAK(s.Context(), t, 0); return err }
	obf := func(s *simulation, t zoomapi.Token) error {
		_, err := s.client.OBF(s.Context(), t, "123456789", 0)
		return err
	}
	refresh := func(s *simulation, t zoomapi.Token) error {
		_, err := s.client.Refresh(s.Context(), t.RefreshToken)
		return err
	}
	exchange := func(change func(redirectURI, code, verifier *string)) act {
		return func(s *simulation) error {
			verifier := zoomapi.NewVerifier()
			redirectURI, code := callbackURI, s.consent(verifier)
			change(&redirectURI, &code, &verifier)
			_, err := s.client.Exchange(s.Context(), redirectURI, code, verifier)
			return err
		}
	}
	fail := func(call zoomtest.Call, h http.Handler) func(*simulation) {
		return func(s *simulation) { s.zoom.Fail(call, 1, h) }
	}
	for name, test := range map[string]struct {
		do   act
		kind zoomapi.Kind
	}{
		"wrong verifier":      {exchange(func(_, _, v *string) { *v = zoomapi.NewVerifier() }), zoomapi.KindInvalidGrant},
		"wrong code":          {exchange(func(_, c, _ *string) { *c = "made-up" }), zoomapi.KindInvalidGrant},
		"wrong redirect URI":  {exchange(func(r, _, _ *string) { *r += "/other" }), zoomapi.KindRedirectMismatch},
		"missing redirect":    {exchange(func(r, _, _ *string) { *r = "" }), zoomapi.KindRedirectMismatch},
		"expired token, me":   {withToken(func(s *simulation) { s.zoom.ExpireAccessTokens(s.app.ClientID, "ada") }, me), zoomapi.KindUnauthorized},
		"expired token, zak":  {withToken(func(s *simulation) { s.zoom.ExpireAccessTokens(s.app.ClientID, "ada") }, zak), zoomapi.KindUnauthorized},
		"revoked token":       {withToken(func(s *simulation) { s.zoom.RevokeAccessTokens(s.app.ClientID, "ada") }, obf), zoomapi.KindUnauthorized},
		"replaced sign-in":    {withToken(func(s *simulation) { s.signIn() }, me), zoomapi.KindUnauthorized},
		"replaced, refresh":   {withToken(func(s *simulation) { s.signIn() }, refresh), zoomapi.KindInvalidGrant},
		"revoked refresh":     {withToken(func(s *simulation) { s.zoom.RevokeRefreshTokens(s.app.ClientID, "ada") }, refresh), zoomapi.KindInvalidGrant},
		"scopes changed":      {withToken(func(s *simulation) { s.zoom.RemoveScope(s.app.ClientID, "user:read:zak") }, refresh), zoomapi.KindInvalidGrant},
		"user gone":           {withToken(func(s *simulation) { s.zoom.RemoveUser("ada") }, me), zoomapi.KindUnknownUser},
		"rate limited":        {withToken(fail(zoomtest.CallZAK, zoomtest.RateLimited("", false)), zak), zoomapi.KindRateLimited},
		"rate limited, token": {withToken(fail(zoomtest.CallRefresh, zoomtest.RateLimited("3", false)), refresh), zoomapi.KindRateLimited},
		"HTML":                {withToken(fail(zoomtest.CallRefresh, zoomtest.HTML()), refresh), zoomapi.KindNonsense},
		"huge":                {withToken(fail(zoomtest.CallRefresh, zoomtest.Huge(2<<20)), refresh), zoomapi.KindNonsense},
		"redirect":            {withToken(fail(zoomtest.CallMe, zoomtest.Redirect("https://evil.example")), me), zoomapi.KindNonsense},
		"cut off":             {withToken(fail(zoomtest.CallMe, zoomtest.Truncated(`{"id":"ada"}`)), me), zoomapi.KindUnavailable},
		"reset":               {withToken(fail(zoomtest.CallRefresh, zoomtest.ResetConn()), refresh), zoomapi.KindUnavailable},
		"down":                {withToken(fail(zoomtest.CallRefresh, zoomtest.Status(503, "")), refresh), zoomapi.KindUnavailable},
	} {
		for _, public := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, public %v", name, public), func(t *testing.T) {
				if err := test.do(simulate(t, public)); zoomapi.KindOf(err) != test.kind {
					t.Errorf("got %v, want %v", err, test.kind)
				}
			})
		}
	}
}

func TestSimulatedSlowZoom(t *testing.T) {
	s := simulate(t, false, func(cfg *zoomapi.Config) { cfg.Timeout = 300 * time.Millisecond })
	token := s.signIn()
	for name, handler := range map[string]http.Handler{
		"hanging": zoomtest.Hang(), "dripping": zoomtest.Drip(50*time.Millisecond, `{"id":"ada","account_id":"acc"}`),
	} {
		s.zoom.Fail(zoomtest.CallMe, 1, handler)
		start := time.Now()
		_, err := s.client.Me(t.Context(), token)
		if took := time.Since(start); zoomapi.KindOf(err) != zoomapi.KindUnavailable || took > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}

func TestSimulatedCodeIsSingleUse(t *testing.T) {
	s := simulate(t, true)
	verifier := zoomapi.NewVerifier()
	code := s.consent(verifier)
	if _, err := s.client.Exchange(t.Context(), callbackURI, code, verifier); err != nil {
		t.Fatal(err)
	}
	_, err := s.client.Exchange(t.Context(), callbackURI, code, verifier)
	if zoomapi.KindOf(err) != zoomapi.KindInvalidGrant || s.zoom.Count(zoomtest.CallCode) != 2 {
		t.Errorf("got %v after %d calls", err, s.zoom.Count(zoomtest.CallCode))
	}
}

func TestSimulatedWrongSecret(t *testing.T) {
	s := simulate(t, false)
	token := s.signIn()
	wrong, err := zoomapi.NewClient(zoomapi.Config{ClientID: s.app.ClientID, ClientSecret: "wrong", OAuthURL: s.zoom.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.CloseIdleConnections()
	_, code := wrong.Exchange(t.Context(), callbackURI, "code", "verifier")
	_, refresh := wrong.Refresh(t.Context(), token.RefreshToken)
	revoke := wrong.Revoke(t.Context(), token.AccessToken)
	for call, err := range map[string]error{"code": code, "refresh": refresh, "revoke": revoke} {
		if zoomapi.KindOf(err) != zoomapi.KindInvalidClient {
			t.Errorf("%s: got %v", call, err)
		}
	}
	if _, err := s.client.Refresh(t.Context(), token.RefreshToken); err != nil {
		t.Errorf("a refusal of the client spent the refresh token: %v", err)
	}
}

func TestSimulatedMissingScope(t *testing.T) {
	s := simulate(t, false)
	s.zoom.SetScopes(s.app.ClientID, "user:read:email")
	token := s.signIn()
	_, err := s.client.ZAK(t.Context(), token, 0)
	e, ok := errors.AsType[*zoomapi.Error](err)
	if !ok || e.Kind != zoomapi.KindMissingScope || !slices.Contains(e.Scopes, "user:read:zak") {
		t.Errorf("zak: %v", err)
	}
	_, err = s.client.OBF(t.Context(), token, "123456789", 0)
	e, ok = errors.AsType[*zoomapi.Error](err)
	if !ok || e.Kind != zoomapi.KindMissingScope || !slices.Contains(e.Scopes, "user:read:token") {
		t.Errorf("obf: %v", err)
	}
	profile, err := s.client.Me(t.Context(), token)
	if want := (zoomapi.Profile{ID: "ada", AccountID: "acc"}); err != nil || profile != want {
		t.Errorf("me: %+v, %v", profile, err)
	}
}

func TestSimulatedDailyLimit(t *testing.T) {
	s := simulate(t, false)
	token := s.signIn()
	s.zoom.RateLimit(0, 1)
	if _, err := s.client.ZAK(t.Context(), token, 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.client.ZAK(t.Context(), token, 0)
	e, ok := errors.AsType[*zoomapi.Error](err)
	if !ok || e.Kind != zoomapi.KindRateLimited || !e.Daily || e.RetryAfter <= 0 || e.RetryAfter > 24*time.Hour {
		t.Errorf("got %+v", e)
	}
}

func TestSimulatedInClientFlow(t *testing.T) {
	s := simulate(t, false)
	for _, redirectURI := range []string{callbackURI, ""} {
		// The challenge is the verifier: that flow knows plain only.
		verifier := zoomapi.NewVerifier()
		event, err := s.zoom.InClientAuthorize(s.app.ClientID, "ada", verifier, "state", callbackURI)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.client.Exchange(t.Context(), redirectURI, event.Code, verifier); err != nil {
			t.Errorf("redirect URI %q: %v", redirectURI, err)
		}
	}
}

func TestSimulatedAppContextAndWebhook(t *testing.T) {
	s := simulate(t, false)
	for _, urlSafe := range []bool{false, true} {
		header := s.zoom.AppContext(s.app.ClientID, zoomtest.AppContext{Typ: "meeting", UID: "ada", MID: "m", URLSafe: urlSafe})
		got, err := zoomapi.OpenAppContext(s.app.ClientID, s.app.ClientSecret, header, time.Now())
		if err != nil || got.UserID != "ada" || got.Type != "meeting" || got.MeetingID != "m" {
			t.Errorf("url-safe %v: %+v, %v", urlSafe, got, err)
		}
	}
	body := []byte(`{"event":"x"}`)
	if !zoomapi.VerifyWebhook([]string{"s"}, "1", zoomtest.WebhookSignature("s", "1", body), body) {
		t.Error("the simulator's signature is refused")
	}
}

// x/oauth2 remembers in its configuration how to authenticate. The race
// detector sees whether that is shared.
func TestConcurrentCallsShareNothing(t *testing.T) {
	s := simulate(t, false)
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() { _, _ = s.client.Refresh(t.Context(), "no-such-token") })
		calls.Go(func() { _, _ = s.client.Exchange(t.Context(), callbackURI, "no-such-code", "verifier") })
		calls.Go(func() { s.client.AuthCodeURL(callbackURI, "state", "verifier") })
	}
	calls.Wait()
}

func TestSimulatedDeeplink(t *testing.T) {
	s := simulate(t, false)
	token := s.signIn()
	address, err := s.client.Deeplink(t.Context(), token)
	if u, parseErr := url.Parse(address); err != nil || parseErr != nil || u.Scheme != "zoomus" || u.Query().Get("client_id") != s.app.ClientID {
		t.Errorf("got %q, %v", address, err)
	}
	s.zoom.RevokeAccessTokens(s.app.ClientID, "ada")
	if _, err := s.client.Deeplink(t.Context(), token); zoomapi.KindOf(err) != zoomapi.KindUnauthorized {
		t.Errorf("a revoked token: %v", err)
	}
}
