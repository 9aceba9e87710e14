package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// browser shows an address to the person.
type browser func(ctx context.Context, address string) error

// signIn sends the person to the site, which asks them, and takes the answer on a
// free port of this machine (RFC 8252, section 7.3). No web view: the sign-in
// belongs to the browser, where the person may be signed in already.
func (p *program) signIn(ctx context.Context, ask browser) (*oauth2.Token, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config := p.config
	config.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	verifier, state := oauth2.GenerateVerifier(), rand.Text()

	answers := make(chan url.Values, 1)
	server := &http.Server{Handler: p.callback(state, answers), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	if err := ask(ctx, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))); err != nil {
		return nil, err
	}
	var answer url.Values
	select {
	case answer = <-answers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	_ = server.Shutdown(ctx) // lets the browser have its page
	if refused := answer.Get("error"); refused != "" {
		return nil, fmt.Errorf("%s: %s", refused, answer.Get("error_description"))
	}
	if answer.Get("code") == "" {
		return nil, errors.New("the answer has no code")
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, httpClient)
	return config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
}

// callback takes the one answer that belongs to this sign-in: any page in the
// browser can send others. The issuer tells it from that of a server which wants
// the code of another (RFC 9207).
func (p *program) callback(state string, answers chan<- url.Values) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		answer := r.URL.Query()
		if answer.Get("state") != state || answer.Get("iss") != p.site {
			http.Error(w, "This does not belong to the sign-in that was begun.", http.StatusBadRequest)
			return
		}
		select {
		case answers <- answer:
			fmt.Fprintln(w, "Thank you. You can close this window.")
		default:
			http.Error(w, "This has been answered.", http.StatusBadRequest)
		}
	})
	return mux
}
