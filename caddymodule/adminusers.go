package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce"
)

// serveUser shows what is known of a user, or ends the user's sessions.
func serveUser(w http.ResponseWriter, r *http.Request, apps []*site, userID string) error {
	if userID == "" {
		return adminError(http.StatusBadRequest, "an id in the path cannot be read")
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
		ended = ended || here
	}
	if !ended {
		return adminError(http.StatusNotFound, "this user has no session")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
