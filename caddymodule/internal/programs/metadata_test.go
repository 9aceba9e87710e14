package programs

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func (w *world) metadata(method, host, path string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest(method, "https://"+host+path, nil)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	rec := httptest.NewRecorder()
	w.Metadata(rec, r, path)
	if rec.Header().Get("Access-Control-Allow-Origin") != "*" || rec.Header().Get("Content-Type") != "application/json" {
		w.Errorf("%s: %v", path, rec.Header())
	}
	return rec
}

// RFC 8414, and what clients are known to check.
func TestServerMetadata(t *testing.T) {
	w := newWorld(t)
	for host, issuer := range map[string]string{"app.example": issuer, "other.example": other, "unknown.example": issuer} {
		var got map[string]any
		rec := w.metadata("GET", host, "/.well-known/oauth-authorization-server")
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"issuer":                                         issuer,
			"authorization_endpoint":                         issuer + "/zoom_pkce/oauth/authorize",
			"token_endpoint":                                 issuer + "/zoom_pkce/oauth/token",
			"revocation_endpoint":                            issuer + "/zoom_pkce/oauth/revoke",
			"response_types_supported":                       []any{"code"},
			"response_modes_supported":                       []any{"query"},
			"grant_types_supported":                          []any{"authorization_code", "refresh_token"},
			"code_challenge_methods_supported":               []any{"S256"},
			"token_endpoint_auth_methods_supported":          []any{"none"},
			"revocation_endpoint_auth_methods_supported":     []any{"none"},
			"authorization_response_iss_parameter_supported": true,
		}
		if g, w := mustJSON(t, got), mustJSON(t, want); g != w {
			t.Errorf("%s:\n%s\nwant\n%s", host, g, w)
		}
	}
	w = newWorldWith(t, ClientsConfig{Registration: true, DocumentHosts: []string{"claude.ai"}})
	rec := w.metadata("GET", "app.example", "/.well-known/oauth-authorization-server")
	for _, part := range []string{`"registration_endpoint":"` + issuer + `/zoom_pkce/oauth/register"`, `"client_id_metadata_document_supported":true`} {
		if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), part) {
			t.Errorf("%d, %s is missing in %s", rec.Code, part, rec.Body)
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// RFC 9728: the resource is the one that the client asked about, byte for byte.
func TestResourceMetadata(t *testing.T) {
	w := newWorld(t)
	const root = "/.well-known/oauth-protected-resource"
	for path, status := range map[string]int{
		"":                       200,
		"/":                      200,
		"/mcp":                   200,
		"/mcp/":                  200,
		"/a/b%20c/%C3%A4":        200,
		"/public":                404,
		"/zoom_pkce":             404,
		"/zoom_pkce/oauth/token": 404,
		"/zoom_pkce2":            200,
	} {
		rec := w.metadata("GET", "app.example", root+path)
		if rec.Code != status {
			t.Errorf("%s: %d", path, rec.Code)
			continue
		}
		if status != 200 {
			continue
		}
		want := `{"resource":"` + issuer + path + `","authorization_servers":["` + issuer + `"],"bearer_methods_supported":["header"]}`
		if got := rec.Body.String(); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server/mcp", "/.well-known/oauth-authorization-server/"} {
		if rec := w.metadata("GET", "app.example", path); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	for _, method := range []string{"POST", "PUT", "OPTIONS"} {
		if rec := w.metadata(method, "app.example", root); rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
}

func TestIsMetadata(t *testing.T) {
	for path, ours := range map[string]bool{
		"/.well-known/oauth-protected-resource":     true,
		"/.well-known/oauth-protected-resource/a":   true,
		"/.well-known/oauth-protected-resourceful":  false,
		"/.well-known/oauth-authorization-server":   true,
		"/.well-known/oauth-authorization-server/a": true,
		"/.well-known/openid-configuration":         false,
		"/a/.well-known/oauth-authorization-server": false,
		"/": false,
	} {
		if IsMetadata(path) != ours {
			t.Errorf("%s", path)
		}
	}
}

// RFC 6750, section 3, and RFC 9728, section 5.1.
func TestChallenge(t *testing.T) {
	const start = `Bearer resource_metadata="` + issuer + `/.well-known/oauth-protected-resource`
	for _, tt := range []struct {
		path string
		dead bool
		want string
	}{
		{"/mcp", false, start + `/mcp"`},
		{"/mcp", true, start + `/mcp", error="invalid_token"`},
		{"/", false, start + `"`},
		{"", false, start + `"`},
		{`/a"b\`, false, start + `/a%22b%5C"`},
	} {
		h := http.Header{"Www-Authenticate": {`Basic realm="x"`}, "Access-Control-Allow-Credentials": {"true"}}
		Challenge(h, issuer, tt.path, tt.dead)
		if got := h["Www-Authenticate"]; len(got) != 2 || got[0] != tt.want || got[1] != `Basic realm="x"` {
			t.Errorf("%s: %q", tt.path, got)
		}
		if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Expose-Headers") != "WWW-Authenticate" ||
			h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", tt.path, h)
		}
	}
}

func TestPreflights(t *testing.T) {
	w := newWorld(t)
	request := func(method string, header ...string) *http.Request {
		r := httptest.NewRequest(method, issuer+"/mcp", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	asked := request("OPTIONS", "Origin", "https://page.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,mcp-protocol-version")
	if !IsPreflight(asked) {
		t.Error("not taken for one")
	}
	for _, r := range []*http.Request{
		request("OPTIONS"),
		request("OPTIONS", "Origin", "https://page.example"),
		request("OPTIONS", "Access-Control-Request-Method", "POST"),
		request("GET", "Origin", "https://page.example", "Access-Control-Request-Method", "POST"),
	} {
		if IsPreflight(r) {
			t.Errorf("%s %v is taken for one", r.Method, r.Header)
		}
	}
	rec := httptest.NewRecorder()
	w.Preflight(rec, asked)
	got := map[string]string{}
	for name := range rec.Header() {
		got[name] = rec.Header().Get(name)
	}
	want := map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "authorization,mcp-protocol-version", "Cache-Control": "no-store",
	}
	if rec.Code != 204 || !maps.Equal(got, want) {
		t.Errorf("%d %v", rec.Code, got)
	}
	rec = httptest.NewRecorder()
	w.Preflight(rec, request("OPTIONS", "Origin", "https://page.example", "Access-Control-Request-Method", "GET"))
	if _, ok := rec.Header()["Access-Control-Allow-Headers"]; ok {
		t.Errorf("headers that nobody asked for: %v", rec.Header())
	}
}

func TestBearer(t *testing.T) {
	const prefix = "zpk_0a1b2c3d_"
	const token = prefix + "a_x"
	tests := []struct {
		name   string
		fields []string
		token  string
		ours   bool
	}{
		{"none", nil, "", false},
		{"ours", []string{"Bearer " + token}, token, true},
		{"any case and blanks", []string{" bEARER \t " + token + " "}, token, true},
		{"a refresh token", []string{"Bearer " + prefix + "r_x"}, prefix + "r_x", true},
		{"with something behind", []string{"Bearer " + token + ", Basic x"}, token + ", Basic x", true},
		{"twice", []string{"Bearer " + token, "Bearer " + token}, "", true},
		{"beside another", []string{"Basic eA==", "Bearer " + token}, "", true},
		{"before another", []string{"Bearer " + token, "Bearer theirs"}, "", true},
		{"of another app", []string{"Bearer zpk_ffffffff_a_x"}, "", false},
		{"the app's own", []string{"Bearer theirs", "Basic eA=="}, "", false},
		{"of another scheme", []string{"Token " + token}, "", false},
		{"no scheme", []string{token}, "", false},
		{"no blank", []string{"Bearer" + token}, "", false},
		{"empty", []string{""}, "", false},
		{"scheme alone", []string{"Bearer"}, "", false},
	}
	for _, tt := range tests {
		token, ours := Bearer(tt.fields, prefix)
		if token != tt.token || ours != tt.ours {
			t.Errorf("%s: %q, %v", tt.name, token, ours)
		}
	}
}
