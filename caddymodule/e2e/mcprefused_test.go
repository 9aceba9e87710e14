package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// elsewhere has a client register that wants people sent where the site sends nobody.
func (s *mcpSite) elsewhere(t *testing.T, kind string) {
	cmd := s.sdk(t, kind, t.TempDir(), portFor(t, kind)...)
	cmd.Env = append(cmd.Env, "REDIRECT=https://evil.example/callback", "HOST=evil.example")
	p := start(t, cmd)
	p.send("one")
	p.await(`(none of the redirect URIs may be used here)`)
	p.wantOpened(0)
}

// unknown has a client send a person to the site that is not known there. It is told
// nothing, and the person sees a page.
func (s *mcpSite) unknown(t *testing.T, client string, env ...string) {
	person := s.person(t)
	cmd := s.sdk(t, "v2", t.TempDir(), client)
	cmd.Env = append(cmd.Env, env...)
	p := start(t, cmd)
	p.send("one")
	page := person.open(p.await(opens))
	if page.StatusCode == http.StatusSeeOther { // a document is read for who has signed in
		page = person.open(person.open(person.consent(page, person.id)).Header.Get("Location"))
	}
	wantRefusal(t, page, "bad_client")
	if strings.Contains(p.text(), "error ") {
		t.Error("the client was told something")
	}
}

// otherSecret gives the site another secret: the ids of clients that registered before
// are not known any more. They find out by themselves, and register anew.
func (s *mcpSite) otherSecret(t *testing.T) {
	s.load(s.site(s.programs(), secrets(oldSecret))) // a generated one would go on opening what it sealed
	clients := make(map[string]func() *process)
	for _, kind := range []string{"v1", "v2", "remote"} {
		store, port, person := t.TempDir(), portFor(t, kind), s.person(t, kind)
		clients[kind] = func() *process { return start(t, s.sdk(t, kind, store, port...)) }
		p := clients[kind]()
		p.send("one")
		person.answer(p.await(opens), "allow")
		p.want("result Echo: one")
		if kind == "remote" { // which asks before it opens a browser, if it has no tokens
			person.endProgram()
			p.send("two")
			p.await(opens)
		}
		p.kill()
	}
	s.load(s.site(s.programs(), secrets(newSecret)))
	for kind, again := range clients {
		p := again()
		p.send("three")
		if kind == "remote" {
			p.await(`(not starting another)`) // 0.15.1 needs to be started once more
			p.kill()
			p = again()
			p.send("three")
		}
		s.person(t, kind+"-later").answer(p.await(opens), "allow")
		p.want("result Echo: three")
	}
}
