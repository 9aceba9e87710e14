package caddymodule

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/programs"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// Programs lets native apps, command lines and MCP clients sign in: towards them
// the site is an OAuth 2.1 authorization server for public clients with PKCE. Their
// users sign in at Zoom in a browser, and allow them on a page of the directive.
// One directive on a host can have it.
type Programs struct {
	// The programs that are known by name. Default: none.
	Client []ProgramClient `json:"client,omitempty"`

	// Whether programs may register themselves (RFC 7591). Default: false.
	Registration bool `json:"registration,omitempty"`

	// Turns on client ids that are the address of a document about the client, at
	// the hosts of the large MCP clients and at these. Default: off.
	ClientDocuments *[]string `json:"client_documents,omitempty"`

	// The https hosts to which programs may be sent that nobody has written down.
	// Default: those of the large MCP clients.
	RedirectHosts []string `json:"redirect_hosts,omitempty"`

	// How long an access token is valid. Default: 1h.
	TokenLifetime caddy.Duration `json:"token_lifetime,omitempty"`

	// How long a program lasts that fetches no new tokens, at least
	// `token_lifetime`. More than `max_lifetime` is as much as that. Default: 30d.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// How long a program lasts at most, from when it was allowed, up to 10 years.
	// Default: 365d.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// How many programs a user may have, at most 1000; one more ends the one that was
	// unused for the longest time. Default: 20.
	MaxPrograms int `json:"max_programs,omitempty"`
}

// ProgramClient is a program that is known by name.
type ProgramClient struct {
	// Its client id, which the operator makes up: visible ASCII without colons,
	// quotes and backslashes. Required.
	ID string `json:"id,omitempty"`

	// What it is called on the page that asks whether it is allowed. Default: its id.
	Name string `json:"name,omitempty"`

	// Where it may have the browser sent back to: a scheme of its own, as in
	// `com.example.app:/signed-in`, an https address, or http on a loopback host, whose
	// port is then free. Required.
	RedirectURI []string `json:"redirect_uri,omitempty"`
}

type programsSettings struct {
	clients programs.ClientsConfig
	life    programsLife
	token   time.Duration
}

// programsLife is what all directives of an app have to agree on: it decides what
// stays in the records they share.
type programsLife struct {
	idle, max time.Duration
	count     int
}

// maxProgramLife bounds how long a program lasts.
const maxProgramLife = 10 * 365 * 24 * time.Hour

func (p *Programs) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "client":
		var client ProgramClient
		if err := client.unmarshalCaddyfile(b); err != nil {
			return err
		}
		p.Client = append(p.Client, client)
		return nil
	case "registration":
		return b.OnOff(&p.Registration)
	case "client_documents":
		if p.ClientDocuments == nil {
			p.ClientDocuments = &[]string{}
		}
		hosts := b.RemainingArgs()
		*p.ClientDocuments = append(*p.ClientDocuments, hosts...)
		return b.NotEmpty("client_documents", hosts...)
	case "redirect_hosts":
		return b.List(&p.RedirectHosts)
	case "token_lifetime":
		return b.Duration(&p.TokenLifetime)
	case "idle_timeout":
		return b.Duration(&p.IdleTimeout)
	case "max_lifetime":
		return b.Duration(&p.MaxLifetime)
	case "max_programs":
		return b.Count(&p.MaxPrograms)
	default:
		return b.Unrecognized()
	}
}

// unmarshalCaddyfile reads `<id> <redirect_uri...>`, or `<id>` and a block.
func (c *ProgramClient) unmarshalCaddyfile(b *conf.Block) error {
	args := b.RemainingArgs()
	if len(args) == 0 || len(args) == 1 && !b.OpensBlock() {
		return b.WrongCount("client", "takes an id and redirect URIs, or an id and a block")
	}
	c.ID, c.RedirectURI = args[0], args[1:]
	if err := b.NotEmpty("client", args...); err != nil {
		return err
	}
	inner := conf.NewBlock(b.Helper, "client", func(string) []string { return []string{"name", "redirect_uri"} })
	return inner.Lines(func(b *conf.Block) error {
		switch b.Val() {
		case "name":
			return b.Text(&c.Name)
		case "redirect_uri":
			return b.List(&c.RedirectURI)
		default:
			return b.Unrecognized()
		}
	})
}

// resolve returns nil if no programs are let in.
func (p *Programs) resolve(r *resolver, s *settings) *programsSettings {
	if p == nil {
		return nil
	}
	resolved := new(programsSettings)
	for i := range p.Client {
		if client, ok := p.Client[i].resolve(r, resolved.clients.Configured); ok {
			resolved.clients.Configured = append(resolved.clients.Configured, client)
		}
	}
	resolved.clients.Registration = p.Registration
	if p.ClientDocuments != nil {
		hosts := r.programHosts("programs client_documents", *p.ClientDocuments)
		resolved.clients.DocumentHosts = conf.Unique(append(slices.Clone(programs.LargeDocumentHosts), hosts...))
	}
	resolved.clients.RedirectHosts = r.programHosts("programs redirect_hosts", p.RedirectHosts)
	if len(p.Client) == 0 && !p.Registration && p.ClientDocuments == nil {
		r.Failf("programs", "lets nobody in: add client, registration or client_documents")
	}

	life := r.Duration("programs max_lifetime", p.MaxLifetime, 365*24*time.Hour)
	if life > maxProgramLife {
		r.Failf("programs max_lifetime", "%s is more than 10 years", life)
	}
	idle := r.Duration("programs idle_timeout", p.IdleTimeout, 30*24*time.Hour)
	resolved.token = r.Duration("programs token_lifetime", p.TokenLifetime, time.Hour)
	switch {
	case resolved.token < time.Second:
		r.Failf("programs token_lifetime", "%s is less than a second", resolved.token)
	case min(idle, life) < resolved.token:
		r.Failf("programs idle_timeout", "%s is less than the %s of token_lifetime: a program would end before its tokens",
			min(idle, life), resolved.token)
	}
	resolved.life = programsLife{min(idle, life), life, r.Count("programs max_programs", p.MaxPrograms, 20, 1000)}

	if programs.IsMetadata(s.callbackPath) {
		r.Failf("redirect_uri", "its path is where programs look for metadata; choose another one")
	}
	return resolved
}

func (c *ProgramClient) resolve(r *resolver, others []programs.Client) (client programs.Client, ok bool) {
	v, ok := r.Text("programs client", c.ID)
	switch err := programs.CheckClientID(v.Text); {
	case !ok && c.ID != "":
		return client, false
	case err != nil:
		r.Failf("programs client", "the id %q %w", c.ID, err)
		return client, false
	case slices.ContainsFunc(others, func(other programs.Client) bool { return other.ID == v.Text }):
		r.Fail(v, "is there twice; write all its redirect URIs in one")
	}
	client.ID = v.Text
	if name, ok := r.Text("programs client "+c.ID+" name", c.Name); ok {
		client.Name = name.Text
	}
	option := "programs client " + c.ID + " redirect_uri"
	if len(c.RedirectURI) == 0 {
		r.Failf(option, "is required: where the program has the browser sent back to")
	}
	for _, v := range r.Texts(option, c.RedirectURI) {
		if err := programs.CheckRedirectURI(v.Text); err != nil {
			r.Fail(v, "%w", err)
		}
		client.RedirectURIs = append(client.RedirectURIs, v.Text)
	}
	return client, true
}

// programHosts resolves hosts, with a port where it is not that of https.
func (r *resolver) programHosts(option string, raws []string) (hosts []string) {
	for _, v := range r.Texts(option, raws) {
		host := strings.TrimSuffix(conf.LowerASCII(v.Text), ":443")
		name, port, hasPort := strings.Cut(host, ":")
		if number, err := strconv.ParseUint(port, 10, 16); !conf.ValidHost(name) || hasPort && (err != nil || number == 0) {
			r.Fail(v, "is not a host name such as client.example.com")
		}
		hosts = append(hosts, host)
	}
	return hosts
}

// programConfig is what the session manager has to know of programs, nil if none
// are let in.
func (s *site) programConfig() *zoompkce.ProgramConfig {
	if s.programs == nil {
		return nil
	}
	return &zoompkce.ProgramConfig{
		TokenLifetime: s.programs.token,
		IdleTimeout:   s.programs.life.idle,
		MaxLifetime:   s.programs.life.max,
		MaxPrograms:   s.programs.life.count,
		Lives:         s.clients.Lives,
	}
}

// warnIdleOptions warns of options that have no effect without another one, which is not
// there: who wrote them expects something of them.
func (s *site) warnIdleOptions() {
	warn := func(option, missing string) {
		s.logger.Warn(option+" has no effect without "+missing,
			zap.String("client_id", s.clientID), zap.String("redirect_uri", s.redirectURIs[0].uri))
	}
	if s.programs == nil {
		if s.headers.client != "" {
			warn("headers client", "programs")
		}
		return
	}
	if c := s.programs.clients; c.RedirectHosts != nil && !c.Registration && len(c.DocumentHosts) == 0 {
		warn("programs redirect_hosts", "registration or client_documents")
	}
}
