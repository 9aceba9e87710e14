package programs

import (
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// RFC 8707, section 2: what is for a part of the site is not for the whole.
func TestResources(t *testing.T) {
	s := NewServer(Config{Origins: []string{issuer, "http://127.0.0.1:8080", "http://app.example"}})
	tests := []struct {
		asked []string
		want  zoompkce.Resource
		bad   bool
	}{
		{nil, zoompkce.Resource{}, false},
		{[]string{issuer}, zoompkce.Resource{Origin: issuer}, false},
		{[]string{issuer + "/"}, zoompkce.Resource{Origin: issuer}, false},
		{[]string{issuer + "/mcp"}, zoompkce.Resource{Origin: issuer, HasPath: true}, false},
		{[]string{issuer + "?x"}, zoompkce.Resource{Origin: issuer, HasPath: true}, false},
		{[]string{issuer, issuer + "/mcp"}, zoompkce.Resource{Origin: issuer, HasPath: true}, false},
		{[]string{issuer + "/mcp", issuer}, zoompkce.Resource{Origin: issuer, HasPath: true}, false},
		{[]string{"HTTPS://APP.example:443/"}, zoompkce.Resource{Origin: issuer}, false},
		{[]string{"http://app.example:80"}, zoompkce.Resource{Origin: "http://app.example"}, false},
		{[]string{"http://127.0.0.1:8080/"}, zoompkce.Resource{Origin: "http://127.0.0.1:8080"}, false},
		{[]string{"http://127.0.0.1/"}, zoompkce.Resource{}, true},
		{[]string{issuer, "http://app.example"}, zoompkce.Resource{}, true},
		{[]string{issuer + ":444"}, zoompkce.Resource{}, true},
		{[]string{issuer + ":80"}, zoompkce.Resource{}, true},
		{[]string{issuer + "#"}, zoompkce.Resource{}, true},
		{[]string{"https://ada@app.example/"}, zoompkce.Resource{}, true},
		{[]string{"https://app.example.evil.example/"}, zoompkce.Resource{}, true},
		{[]string{"https://app.example/%zz"}, zoompkce.Resource{}, true},
		{[]string{"app.example"}, zoompkce.Resource{}, true},
		{[]string{"urn:app"}, zoompkce.Resource{}, true},
		{[]string{""}, zoompkce.Resource{}, true},
	}
	for _, tt := range tests {
		got, err := s.resource(tt.asked)
		if (err != nil) != tt.bad || err == nil && got != tt.want {
			t.Errorf("%q: %+v, %v", tt.asked, got, err)
		}
	}
}

// What a program keeps of its client tells who it is, as long as it is configured.
func TestClientsOfPrograms(t *testing.T) {
	known := NewClients(ClientsConfig{Configured: clients, DocumentHosts: LargeDocumentHosts})
	phone := zoompkce.ProgramClient{Kind: zoompkce.ConfiguredClient, Hash: zoompkce.HashClientID("phone")}
	gone, registered := phone, phone
	gone.Hash = zoompkce.HashClientID("gone")
	registered.Kind = zoompkce.RegisteredClient
	for _, tt := range []struct {
		name   string
		client zoompkce.ProgramClient
		id     string
		lives  bool
	}{
		{"configured", phone, "phone", true},
		{"not any more", gone, "registered:" + gone.Hash.String(), false},
		{"registered under the id of a configured one", registered, "registered:" + registered.Hash.String(), false},
	} {
		if id, lives := known.ID(tt.client), known.Lives(tt.client); id != tt.id || lives != tt.lives {
			t.Errorf("%s: %s, %v", tt.name, id, lives)
		}
	}
}
