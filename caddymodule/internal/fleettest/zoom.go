package fleettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// grant is a sign-in at Zoom.
type grant struct {
	user   *user
	number int
	opened bool // a browser was told that it is signed in
}

// issue is one pair of tokens that Zoom has given.
type issue struct {
	of      *grant
	serial  int // how often it was refreshed
	to      *Process
	at      time.Time
	access  string
	refresh string
	spentBy *Process // who has refreshed it
	spentAt time.Time
	lost    bool // the answer with the next ones
}

func (i *issue) String() string {
	return fmt.Sprintf("grant %d.%d", i.of.number, i.serial)
}

// watchedZoom is Zoom, and who gets what from it.
type watchedZoom struct{ *Fleet }

// ServeHTTP carries a process's call, and notes what tokens come for it.
func (z watchedZoom) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path != tokenPath && path != revokePath && path != lostPath {
		z.Zoom.ServeHTTP(w, r)
		return
	}
	by := z.process(r.Header.Get(signature))
	by.calls.Add(1)
	defer by.calls.Add(-1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	form, _ := url.ParseQuery(string(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if path == lostPath {
		z.lost(form)
		return
	}
	answer := httptest.NewRecorder()
	z.mu.Lock() // until it is noted: what Zoom does one after the other is to be known in that order
	z.Zoom.ServeHTTP(answer, r)
	switch {
	case path == revokePath:
		z.revoked(by, form.Get("token"))
	case form.Get("grant_type") == "refresh_token":
		z.refreshed(by, form.Get("refresh_token"), answer)
	default:
		z.exchanged(by, form.Get("code"), answer)
	}
	z.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// lost: an answer with tokens did not get through in time, as on a busy machine.
func (f *Fleet) lost(form url.Values) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.codes[form.Get("code")]; g != nil {
		g.user.doubt("the answer with its tokens was lost")
	}
	if i := f.tokens[form.Get("refresh_token")]; i != nil {
		i.lost = true
		i.of.user.doubt("the answer with its tokens was lost")
	}
}

func (f *Fleet) exchanged(by *Process, code string, answer *httptest.ResponseRecorder) {
	if g := f.codes[code]; g != nil && answer.Code == http.StatusOK {
		f.issued(&issue{of: g, to: by}, answer)
	}
}

// refreshed holds the processes to the first invariant: no refresh token is presented
// again once Zoom has taken it, but where the answer was lost with a process, or the store
// may have lost it, or the lease of who got it has run out.
func (f *Fleet) refreshed(by *Process, token string, answer *httptest.ResponseRecorder) {
	spent := f.tokens[token]
	if spent == nil {
		return
	}
	u := spent.of.user
	if answer.Code != http.StatusOK {
		u.note("%s: Zoom refuses to refresh %v", by, spent)
		lost := spent.lost || spent.spentBy == nil || spent.spentBy.killed.Load() || f.mayForget(spent.spentAt)
		if !lost && time.Since(spent.spentAt) < 3*zoomTimeout {
			u.breach("a refresh token is presented once: %s presents that of %v, which %s has spent", by, spent, spent.spentBy)
		}
		return
	}
	spent.spentBy, spent.spentAt = by, time.Now()
	f.refreshes++
	f.issued(&issue{of: spent.of, serial: spent.serial + 1, to: by}, answer)
}

func (f *Fleet) issued(i *issue, answer *httptest.ResponseRecorder) {
	var token struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &token); err != nil {
		f.Errorf("tokens of Zoom: %v", err)
		return
	}
	i.at, i.access, i.refresh = time.Now(), token.Access, token.Refresh
	f.tokens[i.access], f.tokens[i.refresh] = i, i
	u := i.of.user
	u.issuedAt = i.at
	u.note("%s: Zoom gives it %v", i.to, i)
}

// revoked: a sign-in that fails after its exchange has ended the grants of all before
// it, and is revoked where nothing is left that it could be kept for.
func (f *Fleet) revoked(by *Process, token string) {
	i := f.tokens[token]
	if i == nil {
		return
	}
	i.of.user.note("%s: revokes %v", by, i)
	if !i.of.opened {
		i.of.user.doubt("a sign-in that failed was revoked, and had ended the grants of others")
	}
}

// newest is what Zoom would refresh for a user, nil if nothing.
func (f *Fleet) newest(u *user) *issue {
	if tokens := f.Zoom.RefreshTokens(f.app.ClientID, u.name); len(tokens) > 0 {
		return f.tokens[tokens[len(tokens)-1]]
	}
	return nil
}

// takes reports whether Zoom takes an access token of the user's.
func (f *Fleet) takes(token, user string) bool {
	_, owner, ok := f.Zoom.ValidateAccessToken(token)
	return ok && owner == user
}

// ownerOf is whose a token is, alive or not.
func ownerOf(token string) string { return zoomapi.Token{AccessToken: token}.UserID() }
