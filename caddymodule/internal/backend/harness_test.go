package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

const (
	firstSecret  = "0123456789abcdef0123456789abcdef"
	secondSecret = "fedcba9876543210fedcba9876543210!"
	prefix       = "/zoom_pkce/backend/"
)

var (
	errNoGrant = errors.New("the user has no grant")
	errTrouble = errors.New("zoom is in trouble")
)

// world is a site with one user, ada, at noon: testing/synctest stops the clock.
type world struct {
	*testing.T
	*Server
	zakErr, obfErr error
	refused        error
	handed         error    // what Refuse returned, for Caddy
	years          int      // by which access tokens last longer
	asked          []string // kinds, users and meetings
}

func bubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		w.Server = NewServer([][]byte{[]byte(firstSecret), []byte(secondSecret)}, w)
		f(w)
	})
}

func (w *world) ask(userID, what string) error {
	w.asked = append(w.asked, what+" of "+userID)
	if userID != "ada" {
		return errNoGrant
	}
	return nil
}

func (w *world) AccessToken(_ *http.Request, userID string) (AccessToken, error) {
	return AccessToken{"the-access-token", time.Now().Add(time.Hour).AddDate(w.years, 0, 0), "https://api.zoom.us"}, w.ask(userID, "token")
}

func (w *world) ZAK(_ *http.Request, userID string) (zoomapi.ZAK, error) {
	if err := errors.Join(w.ask(userID, "zak"), w.zakErr); err != nil {
		return zoomapi.ZAK{}, err
	}
	return zoomapi.ZAK{Token: "the-zak", FetchedAt: time.Now(), ExpiresAt: time.Now().Add(5 * time.Minute)}, nil
}

func (w *world) OBF(_ *http.Request, userID, meeting string) (zoomapi.OBF, error) {
	if err := errors.Join(w.ask(userID, "obf for "+meeting), w.obfErr); err != nil {
		return zoomapi.OBF{}, err
	}
	return zoomapi.OBF{Token: "the-obf", ExpiresAt: time.Now().Add(2 * time.Hour)}, nil
}

func (w *world) Answer(rw http.ResponseWriter, contentType string, body []byte) error {
	rw.Header().Set("Content-Type", contentType)
	w.handed = errors.New("answered")
	_, _ = rw.Write(body)
	return w.handed
}

func (w *world) Refuse(rw http.ResponseWriter, _ *http.Request, _ Kind, err error) error {
	w.refused, w.handed = err, errors.New("refused")
	rw.WriteHeader(http.StatusTeapot)
	return w.handed
}

// request is one to an endpoint, by its address below the prefix.
func request(method, address, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, prefix+address, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// send asks for what the path names.
func (w *world) send(r *http.Request) *httptest.ResponseRecorder {
	w.Helper()
	w.refused, w.handed, w.asked = nil, nil, nil
	rec := httptest.NewRecorder()
	kind := Kind(strings.TrimPrefix(r.URL.Path, prefix))
	if err := w.Serve(rec, r, kind, r.Header["Authorization"]); err == nil || !errors.Is(err, w.handed) {
		w.Errorf("the site returned %v, and the server %v", w.handed, err)
	}
	for _, hidden := range []string{firstSecret, secondSecret, "the-", "signature="} {
		if w.refused != nil && strings.Contains(w.refused.Error(), hidden) {
			w.Errorf("the error shows %q: %v", hidden, w.refused)
		}
	}
	return rec
}

// wantCode checks that the last request was refused, with nobody asked.
func (w *world) wantCode(what string, code outcome.Code) {
	w.Helper()
	var refusal *RefusalError
	if !errors.As(w.refused, &refusal) || refusal.Code != code {
		w.Errorf("%s: refused with %v, want %s", what, w.refused, code)
	}
	if len(w.asked) > 0 {
		w.Errorf("%s: the site was asked for %q", what, w.asked)
	}
}

func (w *world) wantJSON(what string, rec *httptest.ResponseRecorder, want map[string]string) {
	w.Helper()
	var got map[string]string
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("%s: answered %d %q (%v, refused with %v), want %v", what, rec.Code, rec.Body, err, w.refused, want)
	}
	if got := rec.Header().Get("Content-Type"); got != "application/json" {
		w.Errorf("%s: content type %q", what, got)
	}
}

// sign returns an address below the prefix with its signature.
func sign(secret, address string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(prefix + address))
	return address + "&signature=" + hex.EncodeToString(mac.Sum(nil))
}

// until is the parameter of a URL that ends so much later.
func until(d time.Duration) string {
	return fmt.Sprintf("&expires=%d", time.Now().Add(d).Unix())
}
