package programs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const codex = "https://chatgpt.com/oauth/codex/client.json"

// documented is a world that reads documents, by a function.
func documented(t *testing.T, fetch func(id string) (*document, time.Duration, error)) *world {
	w := newWorldWith(t, ClientsConfig{Configured: clients, Registration: true, DocumentHosts: LargeDocumentHosts})
	w.Clients.documents.cache.fetch = living(fetch)
	return w
}

// living has documents live for as long as a function says.
func living(fetch func(id string) (*document, time.Duration, error)) func(context.Context, string) (*document, error) {
	return func(_ context.Context, id string) (*document, error) {
		d, life, err := fetch(id)
		if err == nil {
			d.life = life
		}
		return d, err
	}
}

func TestDocumentClient(t *testing.T) {
	fetched := 0
	w := documented(t, func(id string) (*document, time.Duration, error) {
		fetched++
		return &document{ID: id, Name: "Codex", RedirectURIs: []string{"http://127.0.0.1/callback", "https://evil.example/", "myapp:/"}}, time.Hour, nil
	})
	query := asking("client_id", codex, "redirect_uri", "http://127.0.0.1:49152/callback")

	// Nothing is read, and nothing sent on, for who has not signed in.
	if w.authorize("", query.Encode()); w.signIn != query.Encode() || fetched > 0 {
		t.Errorf("signed out: %q, %d fetched", w.signIn, fetched)
	}
	if rec := w.authorize("", asking("client_id", codex, "redirect_uri", "https://evil.example/", "response_type", "x").Encode()); rec.Header().Get("Location") != "" {
		t.Errorf("sent to %s", rec.Header().Get("Location"))
	}
	rec := w.visit(func(rw http.ResponseWriter) error {
		return w.Declined(rw, httptest.NewRequest("GET", callback, nil), query.Encode())
	})
	if !errors.Is(w.refused, ErrDeclined) || rec.Header().Get("Location") != "" || fetched > 0 {
		t.Errorf("declined at Zoom: %v", w.refused)
	}

	cookie := w.browser()
	w.authorize(cookie, query.Encode())
	for _, words := range []string{"Codex", "unverified", "<code>chatgpt.com</code>", "127.0.0.1:49152"} {
		if !strings.Contains(string(w.page.Main), words) {
			t.Errorf("%q is missing in\n%s", words, w.page.Main)
		}
	}
	tokens := w.token(redemption(w.code(cookie, query), "client_id", codex, "redirect_uri", query.Get("redirect_uri")))
	if tokens.status != 200 || !w.in(tokens.AccessToken) {
		t.Fatalf("%d %s", tokens.status, tokens.Error)
	}
	count := fetched
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {codex}}
	if a := w.token(refresh); a.status != 200 || fetched != count || count != 1 {
		t.Errorf("%d %s, %d fetched", a.status, a.Error, fetched)
	}
	for _, uri := range []string{"https://evil.example/", "myapp:/", "http://127.0.0.1/other"} {
		if w.authorize(cookie, asking("client_id", codex, "redirect_uri", uri).Encode()); !errors.Is(w.refused, ErrBadClient) {
			t.Errorf("%s: %v", uri, w.refused)
		}
	}
	if w.authorize(cookie, asking("client_id", "https://evil.example/client.json").Encode()); !errors.Is(w.refused, ErrBadClient) || fetched != count {
		t.Errorf("a host that is not listed: %v, %d fetched", w.refused, fetched)
	}
	s, err := w.manager.ProgramSession(t.Context(), issuer, tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	program, _ := s.Program()
	for name, c := range map[string]ClientsConfig{"off": {Registration: true}, "another host": {DocumentHosts: []string{"claude.ai"}}} {
		if NewClients(c).Lives(program.Client) {
			t.Errorf("%s: the program lives", name)
		}
	}
	w.Clients = NewClients(ClientsConfig{DocumentHosts: []string{"claude.ai"}})
	if a := w.token(refresh); a.status != 401 || a.Error != invalidClient {
		t.Errorf("refresh when the host is not listed any more: %d %s", a.status, a.Error)
	}
}

// Ids that are not read at all.
func TestDocumentIDs(t *testing.T) {
	c := newDocumentClients([]string{"claude.ai", "127.0.0.1"}, nil)
	for id, good := range map[string]bool{
		"https://claude.ai/oauth/claude-code-client-metadata": true,
		"https://claude.ai/a/":                                true,
		"https://claude.ai":                                   false,
		"https://claude.ai/":                                  false,
		"http://claude.ai/a":                                  false,
		"https://evil.example/a":                              false,
		"https://claude.ai.evil.example/a":                    false,
		"https://evil.example/claude.ai":                      false,
		"https://claude.ai@evil.example/a":                    false,
		"https://x@claude.ai/a":                               false,
		"https://claude.ai:443/a":                             false,
		"https://claude.ai:8443/a":                            false,
		"https://Claude.ai/a":                                 false,
		"https://claude.ai/a?b":                               false,
		"https://claude.ai/a?":                                false,
		"https://claude.ai/a#b":                               false,
		"https://claude.ai/a#":                                false,
		"https://claude.ai/../a":                              false,
		"https://claude.ai/a/./b":                             false,
		"https://claude.ai/%2e%2e/a":                          false,
		"https://claude.ai/a b":                               false,
		"https://claude.ai\\@evil.example/a":                  false,
		"https://claude.ai/%zz":                               false,
		"https://claude.ai/!~":                                true,
		"https://claude.ai/" + long(482):                      true,
		"https://claude.ai/" + long(483):                      false,
		"https://claude.ai/ä":                                 false,
	} {
		if err := c.known(t.Context(), place{}, id); (err == nil) != good {
			t.Errorf("%.60s: %v", id, err)
		}
	}
}

// A listed host that is down harms nobody else's clients.
func TestDocumentHostThatIsDown(t *testing.T) {
	w := documented(t, func(string) (*document, time.Duration, error) { return nil, 0, errors.New("down") })
	cookie := w.browser()
	if w.authorize(cookie, asking("client_id", codex, "redirect_uri", "http://127.0.0.1/").Encode()); !errors.Is(w.refused, ErrBadClient) {
		t.Errorf("%v", w.refused)
	}
	w.tokens(cookie)
	if status, _ := w.register(`{"redirect_uris":["http://localhost/"]}`, nil); status != 201 {
		t.Errorf("registration: %d", status)
	}
}
