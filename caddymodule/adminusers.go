package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// serveUser shows what is known of a user, or ends the user's sessions.
func serveUser(w http.ResponseWriter, r *http.Request, apps []*site, userID string) error {
	if userID == "" {
		return adminError(http.StatusBadRequest, "there is no user id in the path")
	}
	var managers []*zoompkce.Manager
	for _, s := range apps {
		managers = append(managers, s.manager)
	}
	switch r.Method {
	case http.MethodGet:
		return showUser(w, r, managers, userID)
	case http.MethodDelete:
		return endUser(w, r, managers, userID)
	}
	return adminError(http.StatusMethodNotAllowed, "method not allowed")
}

func showUser(w http.ResponseWriter, r *http.Request, managers []*zoompkce.Manager, userID string) error {
	for _, manager := range managers {
		status, err := manager.UserStatus(r.Context(), userID)
		if errors.Is(err, zoompkce.ErrNotFound) {
			continue
		}
		if err != nil {
			return adminTrouble(err)
		}
		return adminAnswer(w, status)
	}
	return adminError(http.StatusNotFound, "nothing is known of this user")
}

func endUser(w http.ResponseWriter, r *http.Request, managers []*zoompkce.Manager, userID string) error {
	ended := false
	for _, manager := range managers {
		here, err := manager.EndUser(r.Context(), userID, time.Time{})
		if err != nil {
			return adminTrouble(err)
		}
		if here {
			ended = true
		}
	}
	if !ended {
		return adminError(http.StatusNotFound, "this user has no session")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// unopenablePage is a page of the records that do not open.
type unopenablePage struct {
	// Users are those records. Whose they are nobody can read.
	Users []zoompkce.UnopenableRecord `json:"users"`
	// KeyIDs are those of the cookie secrets there are, the one that seals first.
	KeyIDs []string `json:"key_ids"`
	// LookedAt is how many records were looked at for this page.
	LookedAt int `json:"looked_at"`
	// Cursor is for ?cursor= of the next page; without it this was the last one.
	Cursor string `json:"cursor,omitempty"`
}

// endedPage is a page of users who were ended.
type endedPage struct {
	// Ended is how many users had sessions, or a record that does not open. Failed is
	// how many could not be ended; the log says why.
	Ended  int `json:"ended"`
	Failed int `json:"failed"`
	// Cursor is for ?cursor= of the next page; without it this was the last one.
	Cursor string `json:"cursor,omitempty"`
}

// serveUsers is for an operator who has lost a cookie secret, or wants everybody to
// sign in anew. One answer is one page.
func serveUsers(w http.ResponseWriter, r *http.Request, apps []*site) error {
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		return adminError(http.StatusMethodNotAllowed, "method not allowed")
	}
	// The pages of the first app come first.
	appID, cursor, _ := strings.Cut(r.URL.Query().Get("cursor"), ".")
	at := 0
	if appID != "" {
		at = slices.IndexFunc(apps, func(s *site) bool { return s.client.AppID() == appID })
	}
	if at < 0 {
		return adminTrouble(zoompkce.ErrCursor)
	}
	s := apps[at]
	next := func(cursor string) string {
		switch {
		case cursor != "":
			return s.client.AppID() + "." + cursor
		case at+1 < len(apps):
			return apps[at+1].client.AppID() + "."
		}
		return ""
	}
	if r.Method == http.MethodGet {
		page, err := s.manager.UnopenableRecords(r.Context(), cursor)
		if err != nil {
			return adminTrouble(err)
		}
		return adminAnswer(w, unopenablePage{page.Unopenable, page.Secrets, page.Looked, next(page.Cursor)})
	}
	ended, failed, following, err := s.manager.EndUsers(r.Context(), cursor)
	if err != nil {
		return adminTrouble(err)
	}
	s.logger.Info("an operator has ended all users of a page", zap.String("client_id", s.clientID), zap.Int("ended", ended), zap.Int("failed", failed))
	return adminAnswer(w, endedPage{ended, failed, next(following)})
}
