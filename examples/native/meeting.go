package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// credentials are what a native Meeting SDK starts and joins meetings with.
type credentials struct {
	user      user
	app       string // what the app behind Caddy says
	zak       string
	zakEnd    time.Time
	signature string
}

type user struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// fetch asks who has signed in and for what starts a meeting as them. An app does
// the two POSTs right before each start or join: a ZAK lives five minutes.
func (p *program) fetch(ctx context.Context, token *oauth2.Token) (*credentials, error) {
	client := p.client(ctx, token)
	var session struct{ User user }
	if err := call(ctx, client, http.MethodGet, p.prefix+"/session", "", &session); err != nil {
		return nil, err
	}
	var zak struct {
		ZAK string    `json:"zak"`
		End time.Time `json:"expires_at"`
	}
	if err := call(ctx, client, http.MethodPost, p.prefix+"/zak", "", &zak); err != nil {
		return nil, err
	}
	var signature struct{ Signature string }
	if err := call(ctx, client, http.MethodPost, p.prefix+"/signature", "{}", &signature); err != nil {
		return nil, fmt.Errorf("%w: zoom_pkce needs meeting_sdk", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.site+"/", nil)
	if err != nil {
		return nil, err
	}
	app, err := do(client, r)
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(app), "\n")
	return &credentials{session.User, line, zak.ZAK, zak.End, signature.Signature}, nil
}

func (c *credentials) show(out io.Writer) {
	fmt.Fprintf(out, "Signed in, without a secret in this program:\n\n"+
		"  you            %s, %s (%s)\n"+
		"  the app says   %.60s\n"+
		"  ZAK            %s, until %s\n"+
		"  SDK signature  %s\n\n"+
		"With the last two a native Meeting SDK starts a meeting as you.\n",
		c.user.Name, c.user.Email, c.user.ID, c.app,
		demo.Abbreviate(c.zak), c.zakEnd.Local().Format(time.TimeOnly), demo.Abbreviate(c.signature))
}
