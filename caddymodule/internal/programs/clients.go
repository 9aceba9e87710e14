package programs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// place is where an id came.
type place struct {
	issuer    string
	authority Authority
	userID    string // of who sent it, where that is known
}

// Clients knows who may ask to become a program, by any of the ways in which
// clients become known.
type Clients struct {
	sources    []clientSource
	registered *registeredClients // nil: clients cannot register
	documents  *documentClients   // nil: no documents are read
}

// clientSource is one of those ways.
type clientSource interface {
	// owns reports whether an id looks like one of this source.
	owns(at place, id string) bool
	// known returns nil if id is that of a client, as far as can be told without
	// asking anybody outside: for requests that nobody has signed in for. It
	// returns errUnknownClient, or a trouble.
	known(ctx context.Context, at place, id string) error
	// find returns the client, or errUnknownClient, or a trouble.
	find(ctx context.Context, at place, id string) (*Client, error)
	// id is what the app behind is told of a client of this source, and whether
	// programs of the client may live. It is "" for a client of another source.
	id(c zoompkce.ProgramClient) (name string, lives bool)
}

var errUnknownClient = errors.New("there is no client with this id")

// ClientsConfig says who may ask.
type ClientsConfig struct {
	// Configured are those the operator wrote down, checked with [CheckClientID] and
	// [CheckRedirectURI].
	Configured []Client
	// Registration lets clients register themselves.
	Registration bool
	// RedirectHosts are the https hosts, in lower case, to which clients that
	// nobody has written down may be sent. Default: [LargeRedirectHosts].
	RedirectHosts []string
	// DocumentHosts are the hosts, in lower case, whose documents describe clients;
	// none if it is empty. See [LargeDocumentHosts].
	DocumentHosts []string
}

// NewClients returns the clients that may ask.
func NewClients(c ClientsConfig) *Clients {
	if c.RedirectHosts == nil {
		c.RedirectHosts = LargeRedirectHosts
	}
	clients := new(Clients)
	if c.Registration {
		clients.registered = &registeredClients{c.RedirectHosts}
		clients.sources = append(clients.sources, clients.registered)
	}
	if len(c.DocumentHosts) > 0 {
		clients.documents = newDocumentClients(c.DocumentHosts, c.RedirectHosts)
		clients.sources = append(clients.sources, clients.documents)
	}
	clients.sources = append(clients.sources, newConfiguredClients(c.Configured))
	return clients
}

// Lives reports whether programs of a client count: not while the client is not
// configured any more.
func (c *Clients) Lives(client zoompkce.ProgramClient) bool {
	return slices.ContainsFunc(c.sources, func(source clientSource) bool {
		_, lives := source.id(client)
		return lives
	})
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

func (c *Clients) known(ctx context.Context, at place, id string) error {
	if source := c.source(at, id); source != nil {
		return source.known(ctx, at, id)
	}
	return errUnknownClient
}

func (c *Clients) find(ctx context.Context, at place, id string) (*Client, error) {
	if source := c.source(at, id); source != nil {
		return source.find(ctx, at, id)
	}
	return nil, errUnknownClient
}

func (c *Clients) source(at place, id string) clientSource {
	for _, source := range c.sources {
		if source.owns(at, id) {
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

func (c configuredClients) owns(_ place, id string) bool { return !strings.Contains(id, ":") }

func (c configuredClients) known(ctx context.Context, at place, id string) error {
	_, err := c.find(ctx, at, id)
	return err
}

func (c configuredClients) find(_ context.Context, _ place, id string) (*Client, error) {
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
