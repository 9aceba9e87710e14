package programs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// LargeDocumentHosts are the hosts at which the large MCP clients keep the
// documents that describe them.
var LargeDocumentHosts = []string{"claude.ai", "chatgpt.com", "vscode.dev", "opencode.ai", "grok.com"}

// documentClients are those whose id is the https URL of a document that
// describes them (draft-ietf-oauth-client-id-metadata-document). A host that is
// not listed is never asked for one.
type documentClients struct {
	hosts, redirectHosts []string
	cache                *documentCache
}

func newDocumentClients(hosts, redirectHosts []string) *documentClients {
	return &documentClients{hosts, redirectHosts, newDocumentCache(newDocumentFetcher())}
}

func (c *documentClients) owns(_ place, id string) bool { return strings.HasPrefix(id, "https://") }

func (c *documentClients) known(_ context.Context, _ place, id string) error {
	_, err := c.host(id)
	return err
}

// host holds an id to the rules: a URL that everybody reads alike, with a path. A
// query would make any number of documents of one.
func (c *documentClients) host(id string) (string, error) {
	u, err := url.Parse(id)
	if err != nil || len(id) > maxRedirectURI || u.Scheme != "https" || u.User != nil || u.Path == "" || u.Path == "/" ||
		strings.ContainsFunc(id, func(r rune) bool { return invisible(r) || strings.ContainsRune("?#\"<>\\^`{|}", r) }) {
		return "", errUnknownClient
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return "", errUnknownClient
		}
	}
	if !slices.Contains(c.hosts, u.Host) {
		return "", errUnknownClient
	}
	return u.Host, nil
}

// find reads the document, unless that was done a while ago. A document that
// cannot be read, or is not what it has to be, describes no client.
func (c *documentClients) find(ctx context.Context, at place, id string) (*Client, error) {
	host, err := c.host(id)
	if err != nil {
		return nil, err
	}
	d, err := c.cache.get(ctx, at.userID, id)
	if errors.As(err, new(*BusyError)) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: reading its document: %w", errUnknownClient, err)
	}
	client := &Client{ID: id, Name: d.Name, kind: zoompkce.DocumentClient, host: host}
	client.RedirectURIs = acceptable(d.RedirectURIs, c.redirectHosts)
	return client, nil
}

// id: a program counts as long as the host of its document is listed, and it may be
// sent to where its code went.
func (c *documentClients) id(program zoompkce.ProgramClient) (string, bool) {
	if program.Kind != zoompkce.DocumentClient {
		return "", false
	}
	listed := slices.ContainsFunc(c.hosts, func(host string) bool { return zoompkce.HashClientID(host) == program.Document })
	return "registered:" + program.Hash.String(), listed && redirectLives(program, c.redirectHosts)
}

// askOutside reports whether a document has to be read for a request: that is done
// for visitors who have signed in.
func (c *Clients) askOutside(ctx context.Context, at place, query string) bool {
	if c.documents == nil {
		return false
	}
	p, _ := parseParameters(query)
	return c.documents.known(ctx, at, p.Get("client_id")) == nil
}

// document is what is read of a client's document.
type document struct {
	ID           string   `json:"client_id"`
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`

	life time.Duration // for which its server says that it may be kept
}

var errDocument = errors.New("it does not describe a public client of this id")

// describes checks that a document is about the client with this id, byte for byte,
// and that the client needs no secret that both sides would have to know.
func (d *document) describes(id string) error {
	if d.ID != id || strings.HasPrefix(d.AuthMethod, "client_secret") {
		return errDocument
	}
	return nil
}
