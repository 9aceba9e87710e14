package zoomtest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is left empty is made up, in the length it has at Zoom.
func TestWhatIsMadeUp(t *testing.T) {
	s := NewUnstartedServer()
	defer s.Close()
	a, b := s.AddApp(App{}), s.AddApp(App{})
	if len(a.ClientID) != 22 || len(a.WebhookSecret) != 22 || a.ClientID == b.ClientID || a.WebhookSecret == b.WebhookSecret {
		t.Errorf("apps %+v, %+v", a, b)
	}
	ann, bob := s.AddUser(User{}), s.AddUser(User{})
	if len(ann.ID) != 22 || ann.ID == bob.ID || ann.AccountID != bob.AccountID || ann.Type != 1 {
		t.Errorf("users %+v, %+v", ann, bob)
	}
}

// What has no JSON is a mistake of the test, which should hear of it.
func TestUserWithoutJSON(t *testing.T) {
	w := newWorld(t)
	w.AddUser(User{ID: "ada", Extra: map[string]any{"location": t.Name}})
	r := httptest.NewRequest(http.MethodGet, "/v2/users/me", nil)
	r.Header.Set("Authorization", "Bearer "+w.signIn(w.app).Access)
	defer func() {
		if recover() == nil {
			t.Error("it is answered")
		}
	}()
	w.ServeHTTP(httptest.NewRecorder(), r)
}

// What the caller does with its values later concerns nobody.
func TestRegisteredIsRegistered(t *testing.T) {
	w := newWorld(t)
	uris, scopes, keys := []string{callback}, []string{"user:read:user"}, []PublicKey{{ID: "k", Key: ecKey(t).Public()}}
	extra := map[string]any{"location": "Paris"}
	app := w.AddApp(App{ClientID: "copied", ClientSecret: "s", RedirectURIs: uris, Scopes: scopes})
	byok := w.AddApp(App{ClientID: "byok", PublicKeys: keys})
	w.AddUser(User{ID: "ada", Extra: extra})
	uris[0], scopes[0], keys[0].ID, extra["location"] = "https://evil.example/", "nothing", "another", "Rome"
	if byok.PublicKeys[0].ID != "k" || app.Scopes[0] != "user:read:user" {
		t.Errorf("got %+v, %+v", byok, app)
	}
	tk := w.signIn(app)
	if status, body := w.get(tk.Access, "/v2/users/me"); status != 200 || !strings.Contains(body, `"location":"Paris"`) {
		t.Errorf("%d %s", status, body)
	}
	w.RemoveScope("copied", "nothing")
	if tk = w.signIn(app); tk.Scope != "user:read:user" {
		t.Errorf("a scope too many was removed: %q", tk.Scope)
	}
}

func TestRemovedUsersChooseNothing(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"bob", "cyd"} {
		w.AddUser(User{ID: id})
	}
	w.RemoveUser("bob")
	w.RemoveUser("nobody")
	_, page := w.get("", strings.TrimPrefix(w.authorizeURL(w.app), w.URL))
	for id, there := range map[string]bool{"ada": true, "bob": false, "cyd": true} {
		if strings.Contains(page, `value="`+id+`"`) != there {
			t.Errorf("%s: want %t\n%s", id, there, page)
		}
	}
}

func TestWholeProfile(t *testing.T) {
	w := newWorld(t)
	w.AddUser(User{ID: "ada", PMI: 1234567890, CreatedAt: w.Now()})
	_, body := w.get(w.signIn(w.app).Access, "/v2/users/me")
	if want := `"created_at":"` + w.Now().UTC().Format("2006-01-02T15:"); !strings.Contains(body, `"pmi":1234567890`) || !strings.Contains(body, want) {
		t.Errorf("got %s", body)
	}
}

// The id of a client that Basic credentials name comes encoded or not.
func TestClientIDWithSigns(t *testing.T) {
	w := newWorld(t)
	app := w.AddApp(App{ClientID: "a+b", ClientSecret: "s", RedirectURIs: []string{callback + "?x=1"}})
	back, err := w.SignIn(t.Context(), w.authorizeURL(app, "redirect_uri", callback+"?x=1"), "ada")
	if err != nil || !strings.HasPrefix(back, callback+"?x=1&code=") {
		t.Fatalf("%s, %v", back, err)
	}
	code, _, _ := strings.Cut(strings.TrimPrefix(back, callback+"?x=1&code="), "&")
	w.tokens(w.post("/oauth/token", app, codeForm(app, code, "redirect_uri", callback+"?x=1")))
	if w.CountUser(CallConsent, "ada") != 1 {
		t.Error("nobody consented")
	}
}

// Close waits for what is being answered.
func TestCloseWaits(t *testing.T) {
	s := NewUnstartedServer()
	arrived, answered := make(chan struct{}), make(chan struct{})
	s.Fail(CallMe, 1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-s.ctx.Done()
		for range 1000 { // others may go first
			select {
			case <-answered:
			default:
			}
		}
		close(answered)
	}))
	go s.Client().Get(s.URL + "/v2/users/me")
	<-arrived
	s.Close()
	select {
	case <-answered:
	default:
		t.Error("not answered yet")
	}
}
