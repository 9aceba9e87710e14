package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// elsewhere has a client register that wants people sent where the site sends nobody.
func (s *mcpSite) elsewhere(t *testing.T, kind string) {
	var port []string
	if kind == "remote" {
		port = []string{testkit.FreePort(t)}
	}
	cmd := s.sdk(t, kind, t.TempDir(), port...)
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
