package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// clientPath is where the client's own page is; all else is the app's.
const clientPath = "/zoom-client/"

var (
	//go:embed client.html
	clientHTML string
	//go:embed client.js
	clientJS []byte

	clientPage = template.Must(template.New("client").Parse(clientHTML))
)

// client stands in for the Zoom client. The app is shown in a frame, requests of
// which pass through here and become those of the client's webview. The page around
// it answers the SDK, which posts to window.parent as in Zoom's web client.
type client struct {
	zoom   *zoomtest.Server
	origin string

	mu      sync.Mutex
	user    string
	allowed map[string]bool // the app, by user
}

func newClient(zoom *zoomtest.Server, origin, caddyURL string, files sdk) (http.Handler, error) {
	caddy, err := url.Parse(caddyURL)
	if err != nil {
		return nil, fmt.Errorf("starting the client: %w", err)
	}
	c := &client{zoom: zoom, origin: origin, user: demo.Ada.ID, allowed: make(map[string]bool)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+clientPath+"{$}", c.show)
	mux.HandleFunc("GET "+clientPath+"client.js", serveFile("text/javascript", clientJS))
	mux.HandleFunc("GET "+clientPath+"sdk.min.js", serveFile("text/javascript", files.classic))
	mux.HandleFunc("POST "+clientPath+"authorize", c.authorize)
	mux.HandleFunc("POST "+clientPath+"move", c.move)
	mux.HandleFunc("POST "+clientPath+"remove", c.remove)
	mux.HandleFunc("POST "+clientPath+"user", c.switchUser)
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(caddy)
			r.Out.Host = r.In.Host
			c.enterWebview(r.Out)
		},
		ModifyResponse: c.replaceSDK,
	})
	return http.NewCrossOriginProtection().Handler(mux), nil
}

func (c *client) show(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	user := c.user
	c.mu.Unlock()
	var page bytes.Buffer
	if err := clientPage.Execute(&page, user); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	serveFile("text/html", page.Bytes())(w, r)
}

// enterWebview makes a request one of the client's webview: its User-Agent
// (developers.zoom.us/docs/zoom-apps/architecture), pages at the top, and an
// app context with the home URL.
func (c *client) enterWebview(r *http.Request) {
	r.Header.Set("User-Agent", "Mozilla/5.0 ZoomWebKit/537.36 (KHTML, like Gecko) ZoomApps/1.0")
	if r.Header.Get("Sec-Fetch-Dest") == "iframe" {
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Sec-Fetch-Site", "none")
	}
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		c.mu.Lock()
		defer c.mu.Unlock()
		r.Header.Set("X-Zoom-App-Context", c.zoom.AppContext(clientID, zoomtest.AppContext{
			Typ: "meeting", UID: c.user, MID: "dJb3LtRRSbqQ/0pIhNuD2A==",
		}))
	}
}

// replaceSDK puts the SDK from npm in the place of the one from Zoom's servers,
// so that nothing but this machine is needed.
func (c *client) replaceSDK(resp *http.Response) error {
	const zooms = "https://appssdk.zoom.us/sdk.min.js"
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("reading a page: %w", err)
	}
	resp.Body.Close()
	ours := c.origin + clientPath + "sdk.min.js"
	body = bytes.ReplaceAll(body, []byte(zooms), []byte(ours))
	policy := resp.Header.Get("Content-Security-Policy")
	resp.Header.Set("Content-Security-Policy", strings.ReplaceAll(policy, zooms, ours))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.ContentLength, resp.Body = int64(len(body)), io.NopCloser(bytes.NewReader(body))
	return nil
}

// authorize is zoomSdk.authorize. The person is asked once for each app.
func (c *client) authorize(w http.ResponseWriter, r *http.Request) {
	var call struct {
		CodeChallenge, State, Page string
		Decision                   string // "", "allow" or "decline"
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var event zoomtest.OnAuthorized
	switch {
	case call.Decision == "decline":
		event = c.zoom.InClientDecline(call.State, call.Page)
	case call.Decision != "allow" && !c.allowed[c.user]:
		w.WriteHeader(http.StatusAccepted) // and the page asks
		return
	default:
		var err error
		event, err = c.zoom.InClientAuthorize(clientID, c.user, call.CodeChallenge, call.State, call.Page)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		c.allowed[c.user] = true
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(event) // the client may have left
}

// move is the same person at another computer: there are no cookies there.
func (c *client) move(w http.ResponseWriter, r *http.Request) {
	for _, cookie := range r.Cookies() {
		http.SetCookie(w, &http.Cookie{Name: cookie.Name, Path: "/", MaxAge: -1})
	}
}

// switchUser is somebody else at the same computer.
func (c *client) switchUser(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.user = r.FormValue("id")
	c.mu.Unlock()
	c.move(w, r)
}

// remove is the person who removes the app; Zoom tells its webhook.
func (c *client) remove(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	user := c.user
	delete(c.allowed, user)
	c.mu.Unlock()
	resp, err := c.zoom.Deauthorize(r.Context(), clientID, user)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the webhook answered %s", resp.Status)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}
