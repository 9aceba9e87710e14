package caddymodule

import (
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

func TestPlaceholdersTellOfTheVisitor(t *testing.T) {
	repl := caddy.NewReplacer()
	want := func(when, name, text string) {
		t.Helper()
		if got, ok := repl.GetString(name); got != text || !ok {
			t.Errorf("%s: %s is %q, %v, want %q", when, name, got, ok, text)
		}
	}
	// A basic_auth before us has let somebody in.
	repl.Set("http.auth.user.id", "gatekeeper")
	v := new(visit)
	v.identify(repl, zoomapi.Profile{ID: "ada", AccountID: "account", Email: "ada@example.com", Name: "{env.HOME}"})
	want("after an earlier gate", "http.auth.user.id", "ada")
	want("first", "http.auth.user.account_id", "account")
	want("first", "http.auth.user.email", "ada@example.com")
	if got := repl.ReplaceAll("{http.auth.user.name}", ""); got != "{env.HOME}" {
		t.Errorf("a name was replaced once more: %q", got)
	}
	if _, ok := repl.GetString("http.auth.user.other"); ok {
		t.Error("a placeholder that nobody promised")
	}
	v.identify(repl, zoomapi.Profile{ID: "bob"})
	want("a second directive", "http.auth.user.id", "bob")
	want("a second directive", "http.auth.user.email", "")
	repl.Set("http.auth.user.id", "later")
	want("a later handler", "http.auth.user.id", "later")
}
