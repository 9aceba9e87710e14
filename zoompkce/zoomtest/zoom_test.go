package zoomtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	callback = "https://app.example/callback"
	verifier = "a-verifier-of-at-least-forty-three-characters"
)

// A world is a server with one confidential app, one public app and a user.
type world struct {
	*Server
	t      *testing.T
	app    *App
	public *App
	user   *User
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := NewUnstartedServer()
	t.Cleanup(s.Close)
	return populate(t, s)
}

func populate(t *testing.T, s *Server) *world {
	return &world{
		Server: s,
		t:      t,
		app:    s.AddApp(App{ClientID: "confidential", ClientSecret: "s3cret", RedirectURIs: []string{callback}}),
		public: s.AddApp(App{ClientID: "public", RedirectURIs: []string{callback}}),
		user:   s.AddUser(User{ID: "ada", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Verified: 1}),
	}
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeURL is a correct authorization URL, changed by pairs: a value of
// "-" removes the parameter.
func (w *world) authorizeURL(app *App, changes ...string) string {
	params := url.Values{
		"response_type":         {"code"},
		"client_id":             {app.ClientID},
		"redirect_uri":          {callback},
		"state":                 {"st"},
		"code_challenge":        {s256(verifier)},
		"code_challenge_method": {"S256"},
	}
	change(params, changes)
	return w.URL + "/oauth/authorize?" + params.Encode()
}

func change(params url.Values, changes []string) {
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			params.Del(changes[i])
			continue
		}
		params.Set(changes[i], changes[i+1])
	}
}

// code signs the user in as far as the callback.
func (w *world) code(app *App, changes ...string) string {
	w.t.Helper()
	back, err := w.SignIn(w.t.Context(), w.authorizeURL(app, changes...), w.user.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query().Get("code")
}

// post sends a form to the token or revocation endpoint, with Basic
// credentials if the app has a secret.
func (w *world) post(path string, app *App, form url.Values) (status int, body string) {
	w.t.Helper()
	r, _ := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app.ClientSecret != "" {
		r.SetBasicAuth(app.ClientID, app.ClientSecret)
	}
	return w.send(r)
}

func (w *world) send(r *http.Request) (status int, body string) {
	w.t.Helper()
	resp, err := w.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// codeForm is a correct exchange of a code, changed like authorizeURL.
func codeForm(app *App, code string, changes ...string) url.Values {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {callback},
		"code_verifier": {verifier},
	}
	if app.public() {
		form.Set("client_id", app.ClientID)
	}
	change(form, changes)
	return form
}

func refreshForm(app *App, token string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if app.public() {
		form.Set("client_id", app.ClientID)
	}
	return form
}

type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	Refresh   string `json:"refresh_token"`
	ExpiresIn int    `json:"expires_in"`
	Scope     string `json:"scope"`
	APIURL    string `json:"api_url"`
}

func (w *world) signIn(app *App) tokens {
	w.t.Helper()
	return w.tokens(w.post("/oauth/token", app, codeForm(app, w.code(app))))
}

func (w *world) tokens(status int, body string) tokens {
	w.t.Helper()
	var tk tokens
	if err := json.Unmarshal([]byte(body), &tk); err != nil || status != http.StatusOK || tk.Access == "" {
		w.t.Fatalf("no tokens: %d %s", status, body)
	}
	return tk
}

// get calls the REST API.
func (w *world) get(token, path string) (status int, body string) {
	w.t.Helper()
	r, _ := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.URL+path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.send(r)
}

func expect(t *testing.T, status int, body string, wantStatus int, wantBody string) {
	t.Helper()
	if status != wantStatus || body != wantBody {
		t.Errorf("got %d %s\nwant %d %s", status, body, wantStatus, wantBody)
	}
}

const (
	invalidTokenBody  = `{"reason":"Invalid Token!","error":"invalid_grant"}`
	invalidClientBody = `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`
	invalidAccessBody = `{"code":124,"message":"Invalid access token."}`
	expiredAccessBody = `{"code":124,"message":"Access token is expired."}`
)

func invalidCodeBody(code string) string {
	return `{"reason":"Invalid authorization code ` + code + `","error":"invalid_grant"}`
}
