package programs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const (
	issuer   = "https://app.example"
	other    = "https://other.example"
	callback = issuer + "/zoom_pkce/callback"
	verifier = "a-verifier-of-43-characters_and.more~than-that"
)

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// world is a site with programs, its store and a simulated Zoom.
type world struct {
	*testing.T
	*Server
	manager *zoompkce.Manager
	store   *brokenStore
	zoom    *zoomtest.Server
	barred  bool // the user may not use the site any more

	signIn  string // the request of the sign-in that was begun
	refused error  // what a person was told
	handed  error  // what Refuse or SignIn returned, for Caddy
	page    Page
}

// brokenStore is a store that may be down.
type brokenStore struct {
	zoompkce.Store
	down bool
}

var errDown = errors.New("the store is down")

// brokenAuthority is a manager whose other calls go wrong.
type brokenAuthority struct{ Authority }

func (brokenAuthority) SealConsent(context.Context, *zoompkce.Session, string, string) (string, error) {
	return "", errDown
}

func (brokenAuthority) SealClientID(context.Context, string, []byte) (string, error) {
	return "", errDown
}

func (brokenAuthority) OpenClientID(context.Context, string, string) ([]byte, error) {
	return nil, errDown
}

func (brokenAuthority) Programs(context.Context, *zoompkce.Session) ([]zoompkce.Program, error) {
	return nil, errDown
}

func (brokenAuthority) EndProgram(context.Context, *zoompkce.Session, string) error { return errDown }

func (s *brokenStore) Load(ctx context.Context, key string) ([]byte, string, error) {
	if s.down {
		return nil, "", errDown
	}
	return s.Store.Load(ctx, key)
}

var clients = []Client{
	{ID: "phone", Name: "The <b>Phone</b>", RedirectURIs: []string{"com.example.app:/signed-in"}},
	{ID: "cli", RedirectURIs: []string{"http://127.0.0.1/callback", "http://localhost/callback"}},
	{ID: "six", RedirectURIs: []string{"http://[::1]:1234/callback"}},
	{ID: "web", RedirectURIs: []string{"https://web.example/cb?a=b"}},
}

func newWorld(t *testing.T) *world { return newWorldWith(t, ClientsConfig{Configured: clients}) }

func newWorldWith(t *testing.T, c ClientsConfig) *world {
	w := &world{T: t, zoom: zoomtest.NewUnstartedServer(), store: &brokenStore{Store: memstore.New()}}
	t.Cleanup(w.zoom.Close)
	app := w.zoom.AddApp(zoomtest.App{ClientSecret: "secret", RedirectURIs: []string{callback}})
	w.zoom.AddUser(zoomtest.User{ID: "ada", AccountID: "acc", Email: "ada@example.com", Verified: 1, FirstName: "Ada"})
	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: app.ClientID, ClientSecret: app.ClientSecret, OAuthURL: w.zoom.URL, HTTPClient: w.zoom.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	known := NewClients(c)
	w.manager, err = zoompkce.NewManager(zoompkce.ManagerConfig{
		Client: client, Store: w.store, Programs: &zoompkce.ProgramConfig{Lives: known.Lives},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.manager.Close)
	w.Server = NewServer(Config{
		PathPrefix: "/zoom_pkce", Origins: []string{issuer, other}, Clients: known, Site: w, Authority: w.manager,
		Admit: func(*http.Request, *zoompkce.Session) error {
			if w.barred {
				return ErrNotAllowed
			}
			return nil
		},
	})
	return w
}

// The site.

func (w *world) Issuer(r *http.Request) string {
	if r.Host == "other.example" {
		return other
	}
	return issuer
}

func (w *world) Protects(_ *http.Request, path string) bool {
	return !strings.HasPrefix(path, "/public")
}

func (w *world) Visitor(_ http.ResponseWriter, r *http.Request) (*zoompkce.Session, zoomapi.Profile, error) {
	s, err := w.manager.Session(r.Context(), r.Header["Cookie"])
	if err != nil {
		return nil, zoomapi.Profile{}, err
	}
	if w.barred {
		return nil, zoomapi.Profile{}, ErrNotAllowed
	}
	return s, s.Profile(), nil
}

func (w *world) SignIn(rw http.ResponseWriter, _ *http.Request, request string) error {
	w.signIn, w.handed = request, errors.New("signing in")
	rw.WriteHeader(http.StatusSeeOther)
	return w.handed
}

func (w *world) Refuse(rw http.ResponseWriter, _ *http.Request, err error) error {
	w.refused, w.handed = err, errors.New("refused")
	rw.WriteHeader(http.StatusTeapot)
	return w.handed
}

func (w *world) SetHeaders(h http.Header) { h.Set("Cache-Control", "no-store") }

func (w *world) WritePage(rw http.ResponseWriter, p Page) {
	w.page = p
	rw.WriteHeader(p.Status)
	_, _ = rw.Write([]byte(p.Main))
}

// browser signs in and returns the Cookie header.
func (w *world) browser() string { return w.browserOf("ada") }

func (w *world) browserOf(userID string) string {
	w.Helper()
	ctx := w.Context()
	l, cookies, err := w.manager.BeginLogin(ctx, nil, zoompkce.LoginRequest{RedirectURI: callback})
	if err != nil {
		w.Fatal(err)
	}
	to, err := w.zoom.SignIn(ctx, w.manager.AuthorizeURL(l), userID)
	if err != nil {
		w.Fatal(err)
	}
	back, err := url.Parse(to)
	if err != nil || len(cookies) == 0 {
		w.Fatal(err)
	}
	in, err := w.manager.SignIn(ctx, l, back.Query().Get("code"), nil)
	if err != nil {
		w.Fatal(err)
	}
	return in.Cookie.Name + "=" + in.Cookie.Value
}

func asking(change ...string) url.Values {
	v := url.Values{
		"client_id": {"phone"}, "redirect_uri": {"com.example.app:/signed-in"}, "response_type": {"code"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "state": {"the state"},
	}
	return changed(v, change)
}

// changed sets parameters, given as name and value, "-" for none.
func changed(v url.Values, change []string) url.Values {
	for i := 0; i < len(change); i += 2 {
		if v.Set(change[i], change[i+1]); change[i+1] == "-" {
			v.Del(change[i])
		}
	}
	return v
}

// authorize asks for authorization.
func (w *world) authorize(cookie, query string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequest("GET", issuer+"/zoom_pkce/oauth/authorize", nil)
	r.Header.Set("Cookie", cookie)
	w.page = Page{}
	return w.visit(func(rw http.ResponseWriter) error { return w.Authorize(rw, r, query) })
}

// visit has a person sent something, and hands on to Caddy what the site returned.
func (w *world) visit(serve func(http.ResponseWriter) error) *httptest.ResponseRecorder {
	w.Helper()
	w.signIn, w.refused, w.handed = "", nil, nil
	rec := httptest.NewRecorder()
	if err := serve(rec); !errors.Is(err, w.handed) {
		w.Errorf("the site returned %v, and the server %v", w.handed, err)
	}
	if w.handed == nil && rec.Code != http.StatusOK && rec.Header().Get("Cache-Control") != "no-store" {
		w.Errorf("headers: %v", rec.Header())
	}
	return rec
}

var consentValue = regexp.MustCompile(`name="consent" value="([^"]+)"`)

// press presses a button of the consent page that was shown last.
func (w *world) press(cookie, decision string) *httptest.ResponseRecorder {
	w.Helper()
	found := consentValue.FindStringSubmatch(string(w.page.Main))
	if found == nil {
		w.Fatal("no consent page")
	}
	form := url.Values{"consent": {html.UnescapeString(found[1])}, "decision": {decision}}
	r := formRequest("/zoom_pkce/oauth/consent", form.Encode())
	r.Header.Set("Cookie", cookie)
	return w.visit(func(rw http.ResponseWriter) error { return w.Consent(rw, r) })
}

func formRequest(path, body string) *http.Request {
	r := httptest.NewRequest("POST", issuer+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// answered is what came back to a redirect URI.
func (w *world) answered(rec *httptest.ResponseRecorder, redirect string) url.Values {
	w.Helper()
	to := rec.Header().Get("Location")
	if rec.Code != http.StatusSeeOther || !strings.HasPrefix(to, redirect) {
		w.Fatalf("%d to %q, not to %s", rec.Code, to, redirect)
	}
	values, err := url.ParseQuery(strings.TrimLeft(strings.TrimPrefix(to, redirect), "?&"))
	if err != nil {
		w.Fatal(err)
	}
	return values
}

// code has the user allow the client of the query.
func (w *world) code(cookie string, query url.Values) string {
	w.Helper()
	w.authorize(cookie, query.Encode())
	code := w.answered(w.press(cookie, decisionAllow), query.Get("redirect_uri")).Get("code")
	if code == "" {
		w.Fatal("no code")
	}
	return code
}

func redemption(code string, change ...string) url.Values {
	v := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"phone"},
		"redirect_uri": {"com.example.app:/signed-in"}, "code_verifier": {verifier},
	}
	return changed(v, change)
}

// answer is any answer to a program.
type answer struct {
	status int
	header http.Header

	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Error        string
	Description  string `json:"error_description"`
}

// post sends a request to the token endpoint, or another.
func (w *world) post(serve func(http.ResponseWriter, *http.Request), r *http.Request) answer {
	w.Helper()
	rec := httptest.NewRecorder()
	serve(rec, r)
	a := answer{status: rec.Code, header: rec.Header()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || a.header.Get("Content-Type") != "application/json" {
		w.Fatalf("not JSON: %s", rec.Body)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || a.header.Get("Access-Control-Allow-Origin") != "*" ||
		a.header.Get("Content-Length") != strconv.Itoa(rec.Body.Len()) {
		w.Errorf("headers: %v", a.header)
	}
	return a
}

func (w *world) token(form url.Values) answer {
	w.Helper()
	return w.post(w.Token, formRequest("/zoom_pkce/oauth/token", form.Encode()))
}

// tokens lets the phone in.
func (w *world) tokens(cookie string) answer {
	w.Helper()
	a := w.token(redemption(w.code(cookie, asking())))
	if a.status != http.StatusOK {
		w.Fatalf("%d %s", a.status, a.Error)
	}
	return a
}

func (w *world) in(token string) bool {
	_, err := w.manager.ProgramSession(w.Context(), issuer, token)
	return err == nil
}
