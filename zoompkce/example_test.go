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
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/returnurl"
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

	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		session, err := manager.Session(r.Context(), r.Header["Cookie"])
		if err != nil {
			login, cookies, err := manager.BeginLogin(r.Context(), r.Header["Cookie"], zoompkce.LoginRequest{
				RedirectURI: callback,
				ReturnURL:   returnurl.Of(r.URL),
			})
			if err != nil {
				http.Error(w, "try again later", http.StatusServiceUnavailable)
				return
			}
			for _, cookie := range cookies {
				http.SetCookie(w, cookie)
			}
			http.Redirect(w, r, manager.AuthorizeURL(login), http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, "Hello, %s!", session.Profile().Name)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		login, err := manager.PendingLogin(r.Context(), r.Header["Cookie"], zoompkce.BrowserFlow, r.FormValue("state"))
		if err != nil {
			http.Error(w, "start again", http.StatusBadRequest)
			return
		}
		http.SetCookie(w, manager.DropLogin(login))
		signedIn, err := manager.SignIn(r.Context(), login, r.FormValue("code"), nil)
		if err != nil {
			http.Error(w, "Zoom did not sign you in", http.StatusBadGateway)
			return
		}
		http.SetCookie(w, signedIn.Cookie)
		w.Header().Set("Location", login.ReturnURL)
		w.WriteHeader(http.StatusSeeOther)
	})

	fmt.Println(visit(zoom, site.URL+"/"))
	// Output: Hello, Ada Lovelace!
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
	atZoom, err := browser.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	atZoom.Body.Close()
	back, err := zoom.SignIn(context.Background(), atZoom.Header.Get("Location"), "ada")
	if err != nil {
		log.Fatal(err)
	}
	page, err := browser.Get(back)
	if err != nil {
		log.Fatal(err)
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(body)
}
