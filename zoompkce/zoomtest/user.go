package zoomtest

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"strings"
	"time"
)

// A User is a person with a Zoom account. In the answer of users/me, what is
// empty here is left out: Zoom promises nothing but the type.
type User struct {
	ID          string // made up if empty
	AccountID   string // one for all users if empty
	Email       string
	Verified    int // 1: the email address is verified
	FirstName   string
	LastName    string
	DisplayName string // both names if empty
	Type        int    // 1 basic, 2 licensed; 0 means 1
	RoleName    string
	RoleID      string
	PMI         int64
	VanityURL   string
	Timezone    string
	Language    string
	PicURL      string
	Dept        string
	JobTitle    string
	Status      string
	CreatedAt   time.Time

	// Extra is merged into the answer of users/me last; nil values remove
	// the field.
	Extra map[string]any
}

// AddUser adds a person, or changes the one with the same id, and returns it
// with everything filled in. Changing the returned value has no effect.
func (s *Server) AddUser(user User) *User {
	user.ID = cmp.Or(user.ID, randomID(16))
	user.AccountID = cmp.Or(user.AccountID, "zoomtest-account-0001")
	user.DisplayName = cmp.Or(user.DisplayName, strings.TrimSpace(user.FirstName+" "+user.LastName))
	user.Type = cmp.Or(user.Type, 1)
	user.Extra = maps.Clone(user.Extra)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[user.ID] == nil {
		s.userOrder = append(s.userOrder, user.ID)
	}
	stored := user
	s.users[user.ID] = &stored
	return &user
}

// RemoveUser deletes a person's Zoom account. Tokens stay what they are, but
// calls for the user answer that the user does not exist.
func (s *Server) RemoveUser(userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[userID] == nil {
		return
	}
	delete(s.users, userID)
	for i, id := range s.userOrder {
		if id == userID {
			s.userOrder = append(s.userOrder[:i:i], s.userOrder[i+1:]...)
			break
		}
	}
}

// profile is the user as users/me tells it.
func (u *User) profile() map[string]any {
	p := map[string]any{"id": u.ID, "account_id": u.AccountID, "type": u.Type}
	if u.Verified != 0 {
		p["verified"] = u.Verified
	}
	for name, value := range map[string]string{
		"email":        u.Email,
		"first_name":   u.FirstName,
		"last_name":    u.LastName,
		"display_name": u.DisplayName,
		"role_name":    u.RoleName,
		"role_id":      u.RoleID,
		"vanity_url":   u.VanityURL,
		"timezone":     u.Timezone,
		"language":     u.Language,
		"pic_url":      u.PicURL,
		"dept":         u.Dept,
		"job_title":    u.JobTitle,
		"status":       u.Status,
	} {
		if value != "" {
			p[name] = value
		}
	}
	if u.PMI != 0 {
		p["pmi"] = u.PMI
	}
	if !u.CreatedAt.IsZero() {
		p["created_at"] = u.CreatedAt.UTC().Format(time.RFC3339)
	}
	mergeExtra(p, u.Extra)
	return p
}

// label is what the consent page calls the user.
func (u *User) label() string {
	return cmp.Or(u.DisplayName, u.Email, u.ID)
}

// randomID returns n random bytes in the alphabet of Zoom's ids.
func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// mergeExtra overlays the fields of an answer; nil values remove one.
func mergeExtra(into, extra map[string]any) {
	for name, value := range extra {
		if value == nil {
			delete(into, name)
			continue
		}
		into[name] = value
	}
}
