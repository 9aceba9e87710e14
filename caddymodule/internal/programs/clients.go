package programs

import (
	"context"
	"errors"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Clients knows who may ask to become a program, by any of the ways in which
// clients become known.
type Clients struct{ sources []clientSource }

// clientSource is one of those ways.
type clientSource interface {
	// owns reports whether an id looks like one of this source.
	owns(id string) bool
	// known returns nil if id is that of a client, as far as can be told without
	// asking anybody outside: for requests that nobody has signed in for. It
	// returns errUnknownClient, or a trouble.
	known(ctx context.Context, issuer, id string) error
	// find returns the client, or errUnknownClient, or a trouble.
	find(ctx context.Context, issuer, id string) (*Client, error)
	// id is what the app behind is told of a client of this source, and whether
	// programs of the client may live. It is "" for a client of another source.
	id(c zoompkce.ProgramClient) (name string, lives bool)
}

var errUnknownClient = errors.New("there is no client with this id")

// NewClients returns the clients that the operator wrote down. They have been
// checked with [CheckClientID] and [CheckRedirectURI].
func NewClients(configured []Client) *Clients {
	return &Clients{[]clientSource{newConfiguredClients(configured)}}
}

// Lives reports whether programs of a client count: not while the client is not
// configured any more.
func (c *Clients) Lives(client zoompkce.ProgramClient) bool {
	for _, source := range c.sources {
		if id, lives := source.id(client); id != "" {
			return lives
		}
	}
	return false
}

// ID is what the app behind is told of a client.
func (c *Clients) ID(client zoompkce.ProgramClient) string {
	for _, source := range c.sources {
		if id, _ := source.id(client); id != "" {
			return id
		}
	}
	return "registered:" + client.Hash.String()
}

func (c *Clients) known(ctx context.Context, issuer, id string) error {
	if source := c.source(id); source != nil {
		return source.known(ctx, issuer, id)
	}
	return errUnknownClient
}

func (c *Clients) find(ctx context.Context, issuer, id string) (*Client, error) {
	if source := c.source(id); source != nil {
		return source.find(ctx, issuer, id)
	}
	return nil, errUnknownClient
}

func (c *Clients) source(id string) clientSource {
	for _, source := range c.sources {
		if source.owns(id) {
			return source
		}
	}
	return nil
}

// configuredClients are those the operator wrote down.
type configuredClients struct {
	byID   map[string]*Client
	byHash map[zoompkce.ClientHash]*Client
}

func newConfiguredClients(list []Client) configuredClients {
	clients := configuredClients{make(map[string]*Client), make(map[zoompkce.ClientHash]*Client)}
	for _, c := range list {
		c.kind = zoompkce.ConfiguredClient
		clients.byID[c.ID], clients.byHash[zoompkce.HashClientID(c.ID)] = &c, &c
	}
	return clients
}

func (c configuredClients) owns(id string) bool { return !strings.Contains(id, ":") }

func (c configuredClients) known(ctx context.Context, issuer, id string) error {
	_, err := c.find(ctx, issuer, id)
	return err
}

func (c configuredClients) find(_ context.Context, _, id string) (*Client, error) {
	if client := c.byID[id]; client != nil {
		return client, nil
	}
	return nil, errUnknownClient
}

func (c configuredClients) id(program zoompkce.ProgramClient) (string, bool) {
	client := c.byHash[program.Hash]
	if client == nil || program.Kind != zoompkce.ConfiguredClient {
		return "", false
	}
	return client.ID, true
}
