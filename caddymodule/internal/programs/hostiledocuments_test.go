package programs

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

const codexDocument = `{"client_id":"` + codex + `","client_name":"Codex","redirect_uris":["http://127.0.0.1/callback"]}`

// Attack 9: whoever answers for a listed host cannot send us on.
func TestDocumentsThatRedirect(t *testing.T) {
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, codexDocument)
	}))
	defer elsewhere.Close()
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		for _, to := range []string{elsewhere.URL, "http://169.254.169.254/latest/meta-data/", "https://claude.ai/other", "/other", "file:///etc/passwd"} {
			requests := 0
			f := documentServer(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				for name, value := range map[string]string{
					"Location": to, "Content-Location": to, "Refresh": "0;url=" + to, "Link": "<" + to + ">; rel=canonical", "Content-Type": "application/json",
				} {
					w.Header().Set(name, value)
				}
				w.WriteHeader(status)
				if status != http.StatusNotModified {
					_, _ = io.WriteString(w, codexDocument)
				}
			})
			if _, err := f.fetch(t.Context(), codex); err == nil || requests != 1 {
				t.Errorf("%d to %s: %v, %d requests", status, to, err, requests)
			}
		}
	}
	if n := followed.Load(); n > 0 {
		t.Errorf("followed %d times", n)
	}
}

// Attack 9: a body that comes bit by bit is not waited for longer than one that does
// not come at all.
func TestDocumentsThatDrip(t *testing.T) {
	f := documentServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 60 * 1000 { // a minute
			if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("all of it was read")
	})
	f.client.Timeout = 100 * time.Millisecond
	if _, err := f.fetch(t.Context(), codex); err == nil {
		t.Error("read")
	}
}

// Attack 9: what is small on the way may be large when it is unpacked.
func TestDocumentsThatUnpackToMuch(t *testing.T) {
	asked := false
	f := documentServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked = strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		defer packed.Close()
		_, _ = io.WriteString(packed, codexDocument[:len(codexDocument)-1])
		for range 1 << 14 { // 1 GB
			if _, err := io.WriteString(packed, long(64<<10)); err != nil {
				return
			}
		}
	})
	if _, err := f.fetch(t.Context(), codex); err == nil || !strings.Contains(err.Error(), "longer than 64 KiB") {
		t.Errorf("%v", err)
	}
	if !asked {
		t.Error("packed although nobody asked for it")
	}
}

// Attack 9: headers are part of an answer, too.
func TestDocumentsWithLongHeaders(t *testing.T) {
	f := documentServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for n := range 1000 {
			w.Header().Set(fmt.Sprint("X-", n), long(1000))
		}
		_, _ = io.WriteString(w, codexDocument)
	})
	if _, err := f.fetch(t.Context(), codex); err == nil {
		t.Error("read")
	}
}

// While a listed host does not answer, those who ask for its document wait, and nobody
// else: not configured and registered clients, and not the clients of other hosts.
func TestDocumentHostThatDoesNotAnswer(t *testing.T) {
	release, waiting := make(chan struct{}), make(chan struct{}, maxFetches)
	w := documented(t, func(id string) (*document, time.Duration, error) {
		if strings.HasPrefix(id, "https://claude.ai/") {
			waiting <- struct{}{}
			<-release
		}
		return &document{ID: id, Name: "A client", RedirectURIs: []string{"http://127.0.0.1/callback"}}, time.Hour, nil
	})
	cookie := w.browser()
	done := make(chan int, 1)
	ask := func(id string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", issuer+"/zoom_pkce/oauth/authorize", nil)
		r.Header.Set("Cookie", cookie)
		rec := httptest.NewRecorder()
		_ = w.Authorize(rec, r, asking("client_id", id, "redirect_uri", "http://127.0.0.1:1/callback").Encode())
		return rec
	}
	go func() { done <- ask("https://claude.ai/client").Code }()
	<-waiting

	w.tokens(cookie)
	_, got := w.register(`{"redirect_uris":["http://localhost/"]}`, nil)
	registered := asking("client_id", got["client_id"].(string), "redirect_uri", "http://localhost/")
	a := w.token(redemption(w.code(cookie, registered), "client_id", registered.Get("client_id"), "redirect_uri", "http://localhost/"))
	if a.status != http.StatusOK {
		t.Errorf("a registered client: %d %s", a.status, a.Error)
	}
	refresh := map[string][]string{"grant_type": {grantRefresh}, "refresh_token": {a.RefreshToken}, "client_id": registered["client_id"]}
	if a := w.token(refresh); a.status != http.StatusOK {
		t.Errorf("its refresh: %d %s", a.status, a.Error)
	}
	if rec := ask(codex); rec.Code != http.StatusOK {
		t.Errorf("a client of another host: %d", rec.Code)
	}
	close(release)
	if status := <-done; status != http.StatusOK {
		t.Errorf("when the host answers: %d", status)
	}
}

// One user who asks for document after document keeps nobody else out.
func TestUserWhoAsksForManyDocuments(t *testing.T) {
	w := documented(t, func(id string) (*document, time.Duration, error) {
		if id != codex {
			return nil, 0, errDocument
		}
		return &document{ID: id, RedirectURIs: []string{"http://127.0.0.1/callback"}}, 0, nil
	})
	w.zoom.AddUser(zoomtest.User{ID: "bob", AccountID: "acc", Email: "bob@example.com", Verified: 1, FirstName: "Bob"})
	ada, bob := w.browser(), w.browserOf("bob")
	for n := range 100 {
		w.authorize(ada, asking("client_id", fmt.Sprint("https://claude.ai/", n), "redirect_uri", "http://127.0.0.1/callback").Encode())
	}
	query := asking("client_id", codex, "redirect_uri", "http://127.0.0.1/callback")
	rec := w.authorize(ada, query.Encode())
	if w.page.Title != "" || !errors.As(w.refused, new(*BusyError)) || errors.Is(w.refused, ErrBadClient) || rec.Header().Get("Location") != "" {
		t.Errorf("one user after their share: %v", w.refused)
	}
	if w.authorize(bob, query.Encode()); w.page.Title == "" {
		t.Errorf("another user: %v", w.refused)
	}
	w.code(bob, query)
}
