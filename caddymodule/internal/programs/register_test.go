package programs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

func registering(t *testing.T) *world {
	return newWorldWith(t, ClientsConfig{Configured: clients, Registration: true})
}

func (w *world) register(body string, change func(*http.Request)) (int, map[string]any) {
	w.Helper()
	r := httptest.NewRequest("POST", issuer+"/zoom_pkce/oauth/register", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	w.Register(rec, r)
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
		w.Fatalf("%v: %s", rec.Header(), rec.Body)
	}
	return rec.Code, got
}

// What real clients register, and what they get.
func TestRegistrations(t *testing.T) {
	w := registering(t)
	for _, tt := range []struct {
		client, body string
		kept         []string
	}{
		{
			"Cursor: one bad URI does not sink the rest", `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback",
			"https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback","https://evil.example/cb"],"token_endpoint_auth_method":"none",
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"application_type":"native"}`,
			[]string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"},
		},
		{
			"VS Code", `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","redirect_uris":["https://insiders.vscode.dev/redirect",
			"https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"]}`,
			[]string{"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"},
		},
		{"Claude", `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"]}`, []string{"https://claude.ai/api/mcp/auth_callback"}},
		{"Inspector", `{"client_name":"MCP Inspector","redirect_uris":["http://127.0.0.1:6276/oauth/callback"],"scope":""}`, []string{"http://127.0.0.1:6276/oauth/callback"}},
		{"go-sdk, which names no method", `{"redirect_uris":["http://localhost:3142"]}`, []string{"http://localhost:3142"}},
		{"asks for a secret", `{"redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["client_credentials"]}`, []string{"com.example.app:/cb"}},
	} {
		status, got := w.register(tt.body, nil)
		if status != 201 || got["token_endpoint_auth_method"] != "none" || fmt.Sprint(got["grant_types"]) != "[authorization_code refresh_token]" ||
			fmt.Sprint(got["response_types"]) != "[code]" || got["client_id_issued_at"].(float64) < 1e9 {
			t.Errorf("%s: %d %v", tt.client, status, got)
		}
		if kept := fmt.Sprint(got["redirect_uris"]); kept != fmt.Sprint(tt.kept) {
			t.Errorf("%s: kept %s", tt.client, kept)
		}
		for name, value := range got {
			if value == nil || value == "" {
				t.Errorf("%s: %s is empty", tt.client, name)
			}
		}
	}
}

func TestBadRegistrations(t *testing.T) {
	w := registering(t)
	uris := func(list ...string) string {
		body, _ := json.Marshal(map[string]any{"redirect_uris": list})
		return string(body)
	}
	for name, test := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		code   string
	}{
		"no redirect URI":         {`{}`, nil, 400, invalidRedirect},
		"none of them":            {uris(), nil, 400, invalidRedirect},
		"any https host":          {uris("https://evil.example/cb"), nil, 400, invalidRedirect},
		"a host in disguise":      {uris("https://claude.ai@evil.example/", "https://claude.ai.evil.example/", "https://claude.ai:8443/", "https://evil.example/claude.ai"), nil, 400, invalidRedirect},
		"a scheme of the system":  {uris("ms-settings:x", "tel:1", "search-ms:x", "myapp:/cb", "intent:x"), nil, 400, invalidRedirect},
		"a scheme that runs":      {uris("javascript:alert(1)", "data:text/html,x", "JavaScript:x", " javascript:x"), nil, 400, invalidRedirect},
		"http beyond the machine": {uris("http://claude.ai/cb", "http://192.168.0.1/"), nil, 400, invalidRedirect},
		"too long for an id":      {uris("http://localhost/" + long(450)), nil, 400, invalidRedirect},
		"two lines in one":        {uris("http://localhost/\ncom.evil.app:/"), nil, 400, invalidRedirect},
		"a number":                {`{"redirect_uris":1}`, nil, 400, invalidMetadata},
		"a number as name":        {`{"client_name":1,"redirect_uris":["http://localhost/"]}`, nil, 400, invalidMetadata},
		"a list":                  {`[]`, nil, 400, invalidMetadata},
		"not JSON":                {`x`, nil, 400, invalidMetadata},
		"nothing":                 {``, nil, 400, invalidMetadata},
		"a long end":              {uris("http://localhost/") + strings.Repeat(" ", 64<<10), nil, 400, invalidMetadata},
		"1 MB":                    {`{"x":"` + long(1<<20) + `"}`, nil, 400, invalidMetadata},
		"a form":                  {uris("http://localhost/"), contentType("application/x-www-form-urlencoded"), 400, invalidMetadata},
		"GET":                     {``, func(r *http.Request) { r.Method = "GET" }, 405, invalidRequest},
	} {
		if status, got := w.register(test.body, test.change); status != test.status || got["error"] != test.code || got["client_id"] != nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

// What a registration was read into is given back, whatever becomes of it.
func TestMemoryOfRegistrations(t *testing.T) {
	w := registering(t)
	defer func(all int) { strangerBodies.All = all }(strangerBodies.All)
	strangerBodies.All = 128 << 10
	for range 3 {
		if status, got := w.register(`{"x":"`+long(64<<10)+`"}`, nil); status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(got["error_description"]), "longer than 64 KiB") {
			t.Errorf("a long one: %d %v", status, got)
		}
		for range 10 {
			if status, got := w.register(`{"redirect_uris":["http://localhost/"],"x":"`+long(32<<10)+`"}`, nil); status != http.StatusCreated {
				t.Fatalf("%d %v", status, got)
			}
		}
	}
}

// Ids are short enough for every client, whatever was asked for.
func TestLengthOfIDs(t *testing.T) {
	w := registering(t)
	for _, count := range []int{1, 8, 9, 100} {
		var list []string
		for n := range count {
			list = append(list, fmt.Sprintf("http://localhost:%d/%s", 1000+n, long(20)))
		}
		body, _ := json.Marshal(map[string]any{"redirect_uris": list, "client_name": strings.Repeat("ä", 1000)})
		status, got := w.register(string(body), nil)
		kept, _ := got["redirect_uris"].([]any)
		if id, _ := got["client_id"].(string); status != 201 || len(id) > 600 || len(kept) > 8 || len(kept) < min(count, 6) {
			t.Errorf("%d URIs: %d, %d kept", count, status, len(kept))
		}
	}
	short := `"http://localhost/` + strings.Repeat(`","http://localhost/`, 8) + `"`
	if _, got := w.register(`{"redirect_uris":[`+short+`]}`, nil); len(got["redirect_uris"].([]any)) != 8 {
		t.Errorf("of nine: %v", got["redirect_uris"])
	}
	longest := 0
	for n := range 450 {
		_, got := w.register(`{"redirect_uris":["http://localhost/`+long(n)+`"]}`, nil)
		id, _ := got["client_id"].(string)
		longest = max(longest, len(id))
	}
	if longest != zoompkce.MaxClientID-1 { // base64 makes 599 or 601 bytes of it
		t.Errorf("the longest has %d bytes", longest)
	}
}

// What is kept of a name is what its user is shown later.
func TestLengthOfNames(t *testing.T) {
	w := registering(t)
	cookie := w.browser()
	for said, kept := range map[string]string{long(64): long(64), long(65): long(64), long(63) + "ä": long(63)} {
		_, got := w.register(`{"redirect_uris":["http://localhost/"],"client_name":"`+said+`"}`, nil)
		w.authorize(cookie, asking("client_id", got["client_id"].(string), "redirect_uri", "http://localhost/").Encode())
		if !strings.Contains(string(w.page.Main), "<bdi>"+kept+"</bdi>") {
			t.Errorf("%s: %s", said, w.page.Main)
		}
	}
}

// Trouble is not taken for a client that is unknown.
func TestRegisteredClientInTrouble(t *testing.T) {
	w := registering(t)
	_, got := w.register(`{"redirect_uris":["http://localhost/"]}`, nil)
	w.Authority = brokenAuthority{w.manager}
	if w.authorize("", asking("client_id", got["client_id"].(string), "redirect_uri", "http://localhost/").Encode()); !errors.Is(w.refused, errDown) {
		t.Errorf("%v", w.refused)
	}
	if status, got := w.register(`{"redirect_uris":["http://localhost/"]}`, nil); status != 503 || got["error"] != temporarily {
		t.Errorf("registration: %d %v", status, got)
	}
}

// From registration to tokens; the id counts at its issuer, as long as
// registration is on and the redirect's host is listed.
func TestRegisteredClient(t *testing.T) {
	w := registering(t)
	cookie := w.browser()
	_, got := w.register(`{"client_name":"Zoom\u202e","redirect_uris":["http://127.0.0.1/cb","https://claude.ai/cb"]}`, nil)
	id := got["client_id"].(string)
	local := asking("client_id", id, "redirect_uri", "http://127.0.0.1:4711/cb")
	w.authorize(cookie, local.Encode())
	if main := string(w.page.Main); !strings.Contains(main, "unverified") || !strings.Contains(main, "<bdi>Zoom</bdi>") || strings.Contains(main, "meetings") {
		t.Errorf("%s", main)
	}
	redeem := func(query url.Values) answer {
		t.Helper()
		return w.token(redemption(w.code(cookie, query), "client_id", id, "redirect_uri", query.Get("redirect_uri")))
	}
	hosted := redeem(asking("client_id", id, "redirect_uri", "https://claude.ai/cb"))
	tokens := redeem(local)
	s, err := w.manager.ProgramSession(t.Context(), issuer, tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	program, _ := s.Program()
	if name := w.Clients.ID(program.Client); name != "registered:"+zoompkce.HashClientID(id).String() || program.Client.Name != "Zoom" {
		t.Errorf("%s, %+v", name, program.Client)
	}
	if a := w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {id}}); a.status != 200 {
		t.Errorf("refresh: %s", a.Error)
	}
	elsewhere := func(r *http.Request) { r.Host = "other.example" }
	r := formRequest("/", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {id}}.Encode())
	elsewhere(r)
	if a := w.post(w.Token, r); a.status != 401 || a.Error != invalidClient {
		t.Errorf("at another issuer: %d %s", a.status, a.Error)
	}
	for name, query := range map[string]url.Values{
		"a changed id":         asking("client_id", id[:len(id)-1], "redirect_uri", "http://127.0.0.1/cb"),
		"another redirect URI": asking("client_id", id, "redirect_uri", "http://127.0.0.1/other"),
	} {
		if rec := w.authorize(cookie, query.Encode()); rec.Code != http.StatusTeapot || w.signIn != "" {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	lives := func(c ClientsConfig, access string) bool {
		t.Helper()
		s, err := w.manager.ProgramSession(t.Context(), issuer, access)
		if err != nil {
			t.Fatal(err)
		}
		program, _ := s.Program()
		return NewClients(c).Lives(program.Client)
	}
	for _, tt := range []struct {
		name          string
		config        ClientsConfig
		local, hosted bool
	}{
		{"as it was", ClientsConfig{Registration: true}, true, true},
		{"registration off", ClientsConfig{}, false, false},
		{"the host is not listed any more", ClientsConfig{Registration: true, RedirectHosts: []string{"claude.com"}}, true, false},
	} {
		if local, hosted := lives(tt.config, tokens.AccessToken), lives(tt.config, hosted.AccessToken); local != tt.local || hosted != tt.hosted {
			t.Errorf("%s: %v, %v", tt.name, local, hosted)
		}
	}
	w.Clients = NewClients(ClientsConfig{Registration: true, RedirectHosts: []string{"claude.com"}})
	if w.authorize(cookie, asking("client_id", id, "redirect_uri", "https://claude.ai/cb").Encode()); w.refused == nil {
		t.Error("sent to a host that is not listed any more")
	}
}

// Registrations cost nothing that stays.
func TestFloodOfRegistrations(t *testing.T) {
	w := registering(t)
	cookie := w.browser()
	w.tokens(cookie)
	before, _, err := w.store.List(t.Context(), "zoom_pkce/", "")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[any]bool{}
	for range 1000 {
		_, got := w.register(`{"redirect_uris":["http://localhost/"]}`, nil)
		ids[got["client_id"]] = true
	}
	after, _, err := w.store.List(t.Context(), "zoom_pkce/", "")
	if err != nil || !slices.Equal(before, after) || len(ids) != 1000 {
		t.Errorf("%d records, before %d; %d ids", len(after), len(before), len(ids))
	}
}
