package programs

import (
	"net/http"
	"time"
)

type programsData struct {
	Programs []programData
	Action   string
}

type programData struct {
	ID, Name, Redirect string
	Allowed, Used      string // days
}

// List answers with what the user has allowed.
func (s *Server) List(w http.ResponseWriter, r *http.Request) error {
	session, _, err := s.Site.Visitor(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	programs, err := s.Authority.Programs(r.Context(), session)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	data := programsData{Action: s.PathPrefix + "/programs/end"}
	for _, p := range programs {
		data.Programs = append(data.Programs, programData{
			ID: p.ID, Name: cleanName(p.Client.Name), Redirect: p.Client.Redirect, Allowed: day(p.Allowed), Used: day(p.Used),
		})
	}
	s.Site.WritePage(w, newPage("Programs with access", "programs.html", data))
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// End ends a program of the user, and shows what is left.
func (s *Server) End(w http.ResponseWriter, r *http.Request) error {
	session, _, err := s.Site.Visitor(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	form, err := readVisitorForm(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, err)
	}
	if err := s.Authority.EndProgram(r.Context(), session, form.Get("program")); err != nil {
		return s.Site.Refuse(w, r, err)
	}
	s.Site.SetHeaders(w.Header())
	w.Header().Set("Location", s.PathPrefix+"/programs")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
