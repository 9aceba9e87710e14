package zoompkce_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/memstore"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/protect"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// Sign-in with Zoom in front of an app, behind plain net/http.
func Example() {
	zoom := zoomtest.NewServer() // stands in for Zoom
	defer zoom.Close()
	mux := http.NewServeMux()
	site := httptest.NewServer(mux)
	defer site.Close()
	callback := site.URL + "/callback"
	zoom.AddApp(zoomtest.App{ClientID: "my-app", ClientSecret: "my-secret", RedirectURIs: []string{callback}})
	zoom.AddUser(zoomtest.User{ID: "ada", DisplayName: "Ada Lovelace"})

	client, err := zoomapi.NewClient(zoomapi.Config{
		ClientID: "my-app", ClientSecret: "my-secret", OAuthURL: zoom.URL, APIURL: zoom.URL,
	})
	if err != nil {
		log.Fatal(err)
	}
	manager, err := zoompkce.NewManager(zoompkce.ManagerConfig{
		Client:  client,
		Store:   memstore.New(),
		Cookies: zoompkce.CookieConfig{Insecure: true}, // http on a loopback address
	})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()

	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := protect.Session(r.Context())
		zak, err := manager.ZAK(r.Context(), session, zoompkce.ZAKPolicy{})
		if err != nil {
			http.Error(w, "no meetings now", http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, "Hello, %s! Your ZAK: %t", session.Profile().Name, zak.Token != "")
	})
	handler, err := protect.New(manager, callback, app)
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/", handler)

	fmt.Println(visit(zoom, site.URL+"/"))
	// Output: Hello, Ada Lovelace! Your ZAK: true
}

// visit opens a page as Ada would: to Zoom, through its consent page, and back.
func visit(zoom *zoomtest.Server, url string) string {
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/oauth/authorize" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	page.Header.Set("Accept", "text/html")
	atZoom, err := browser.Do(page)
	if err != nil {
		log.Fatal(err)
	}
	atZoom.Body.Close()
	back, err := zoom.SignIn(context.Background(), atZoom.Header.Get("Location"), "ada")
	if err != nil {
		log.Fatal(err)
	}
	answer, err := browser.Get(back)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(body)
}
