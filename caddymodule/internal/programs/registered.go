package programs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// registeredClients are those that registered themselves. Their ids hold what is
// known of them.
type registeredClients struct {
	redirectHosts []string
}

// owns knows the ids by how they begin, as everything does that is sealed here.
func (c *registeredClients) owns(at place, id string) bool {
	return strings.HasPrefix(id, at.authority.TokenPrefix())
}

func (c *registeredClients) known(ctx context.Context, at place, id string) error {
	_, err := c.find(ctx, at, id)
	return err
}

// find opens an id. The rules of today count for the redirect URIs of then.
func (c *registeredClients) find(ctx context.Context, at place, id string) (*Client, error) {
	text, err := at.authority.OpenClientID(ctx, at.issuer, id)
	if errors.Is(err, zoompkce.ErrUnknownToken) {
		return nil, errUnknownClient
	}
	if err != nil {
		return nil, err
	}
	name, uris, _ := strings.Cut(string(text), "\n")
	client := &Client{ID: id, Name: name, kind: zoompkce.RegisteredClient}
	client.RedirectURIs = acceptable(strings.Split(uris, "\n"), c.redirectHosts)
	return client, nil
}

// acceptable returns those of the redirect URIs that anybody's client may have.
func acceptable(uris, hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(uris), func(uri string) bool {
		target, err := parseRedirect(uri)
		return err != nil || !target.openToAll(hosts)
	})
}

// id: a program counts as long as its client may be sent to where its code went.
func (c *registeredClients) id(program zoompkce.ProgramClient) (string, bool) {
	if program.Kind != zoompkce.RegisteredClient {
		return "", false
	}
	return "registered:" + program.Hash.String(), redirectLives(program, c.redirectHosts)
}

// redirectLives reports whether the place where a program's code went may still
// be sent to: programs on the user's machine, and hosts that are listed.
func redirectLives(program zoompkce.ProgramClient, hosts []string) bool {
	if strings.HasSuffix(program.Redirect, ":") || slices.ContainsFunc(loopbackHosts, func(host string) bool {
		return program.Redirect == host || strings.HasPrefix(program.Redirect, host+":")
	}) {
		return true
	}
	return slices.ContainsFunc(hosts, program.KeptRedirect)
}

// The most that is kept of what a client says when it registers.
const (
	maxRedirects      = 8
	maxRegisteredName = 64
)

// seal returns the id of a client with as many of its redirect URIs as fit into
// it, and those.
func (c *registeredClients) seal(ctx context.Context, at place, name string, uris []string) (id string, kept []string, err error) {
	text := strings.ToValidUTF8(name[:min(len(name), maxRegisteredName)], "")
	for _, uri := range uris[:min(len(uris), maxRedirects)] {
		longer, err := at.authority.SealClientID(ctx, at.issuer, []byte(text+"\n"+uri))
		if err != nil {
			return "", nil, err
		}
		if len(longer) <= zoompkce.MaxClientID {
			id, text, kept = longer, text+"\n"+uri, append(kept, uri)
		}
	}
	return id, kept, nil
}
