package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// check runs the program with a person who needs no window, and asks Zoom whether
// what it got is good.
func (r *rig) check(ctx context.Context, out io.Writer) error {
	p, err := discover(ctx, r.url, clientID)
	if err != nil {
		return err
	}
	token, err := p.signIn(ctx, r.person)
	if err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	got, err := p.fetch(ctx, token)
	if err != nil {
		return err
	}
	if owner, _, ok := r.zoom.ValidateZAK(got.zak); !ok || owner != got.user.ID {
		return fmt.Errorf("the ZAK does not work for %s", got.user.ID)
	}
	if signature, ok := r.zoom.ValidateSignature(got.signature); !ok || signature.ClientID != zoomID {
		return errors.New("the Meeting SDK would not take the signature")
	}
	got.show(out)
	if err := p.signOut(ctx, token); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	if _, err := p.fetch(ctx, token); err == nil {
		return errors.New("the token outlived the sign-out")
	}
	fmt.Fprint(out, "\nZoom accepts both, and after signing out the token is worth nothing. All is well.\n")
	return nil
}

// person signs in at Zoom and allows the program.
func (r *rig) person(ctx context.Context, address string) error {
	v, err := demo.NewVisitor(ctx)
	if err != nil {
		return err
	}
	_, err = v.AllowProgram(r.zoom.URL, address)
	return err
}
