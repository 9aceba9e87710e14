package zoompkce_test

import (
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

const (
	issuer   = "https://app.example"
	verifier = "a-verifier-of-43-characters_and.more~than-that"
	appURI   = "com.example.app:/signed-in"
)

var appClient = zoompkce.ProgramClient{
	Kind: zoompkce.ConfiguredClient, Hash: zoompkce.HashClientID("app"), Name: "The App", Redirect: "com.example.app:",
}

// withPrograms lets programs in.
func withPrograms(c *zoompkce.ManagerConfig) {
	c.Programs = &zoompkce.ProgramConfig{Lives: func(zoompkce.ProgramClient) bool { return true }}
}

// programs changes how they are let in.
func programs(change func(*zoompkce.ProgramConfig)) func(*zoompkce.ManagerConfig) {
	return func(c *zoompkce.ManagerConfig) {
		withPrograms(c)
		change(c.Programs)
	}
}

var authorization = zoompkce.Authorization{
	Client: appClient, Issuer: issuer, RedirectURI: appURI, Challenge: sha256.Sum256([]byte(verifier)),
}

// consented is what the page asked a signed-in browser.
func (p *process) consented(b *browser) *zoompkce.Consent {
	p.Helper()
	s := p.session(b)
	value, err := p.SealConsent(ctx, s, issuer, "client_id=app")
	if err != nil {
		p.Fatal(err)
	}
	c, err := p.OpenConsent(ctx, s, issuer, value)
	if err != nil {
		p.Fatal(err)
	}
	return c
}

// allow has the user of a browser allow the app.
func (p *process) allow(b *browser) (code string) {
	p.Helper()
	code, err := p.AllowProgram(ctx, p.session(b), p.consented(b), authorization)
	if err != nil {
		p.Fatalf("allowing: %v", err)
	}
	return code
}

func redemption(code string) zoompkce.CodeRedemption {
	return zoompkce.CodeRedemption{
		Code: code, Client: appClient.Hash, Issuer: issuer, RedirectURI: appURI, Verifier: verifier,
	}
}

// program lets the app in.
func (p *process) program(b *browser) *zoompkce.ProgramTokens {
	p.Helper()
	tokens, err := p.RedeemCode(ctx, redemption(p.allow(b)))
	if err != nil {
		p.Fatalf("redeeming: %v", err)
	}
	return tokens
}

func (p *process) refreshProgram(t *zoompkce.ProgramTokens) (*zoompkce.ProgramTokens, error) {
	s, err := p.RefreshSession(ctx, issuer, t.RefreshToken, appClient.Hash)
	if err != nil {
		return nil, err
	}
	return p.RefreshProgram(ctx, s, zoompkce.Resource{})
}

// refreshed is what the app gets for its refresh token.
func (p *process) refreshed(t *zoompkce.ProgramTokens) *zoompkce.ProgramTokens {
	p.Helper()
	fresh, err := p.refreshProgram(t)
	if err != nil {
		p.Fatalf("refreshing: %v", err)
	}
	return fresh
}

// in checks that a request with the access token is let in.
func (p *process) in(t *zoompkce.ProgramTokens) *zoompkce.Session {
	p.Helper()
	s, err := p.ProgramSession(ctx, issuer, t.AccessToken)
	if err != nil {
		p.Fatalf("access token: %v", err)
	}
	return s
}

// out is why a request with the access token is not let in.
func (p *process) out(t *zoompkce.ProgramTokens) string {
	p.Helper()
	return p.dead(issuer, t.AccessToken)
}

func (p *process) dead(origin, token string) string {
	p.Helper()
	_, err := p.ProgramSession(ctx, origin, token)
	dead, ok := errors.AsType[*zoompkce.DeadTokenError](err)
	if !ok {
		p.Fatalf("the token is not dead: %v", err)
	}
	return dead.Reason
}

// invalid checks that a code or refresh token is refused, and why.
func (p *process) invalid(err error, reason string) {
	p.Helper()
	if invalid, ok := errors.AsType[*zoompkce.InvalidGrantError](err); !ok || !strings.HasPrefix(invalid.Reason, reason) {
		p.Errorf("%v, not an invalid grant (%s)", err, reason)
	}
}
