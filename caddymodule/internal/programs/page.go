package programs

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// Page is a page for a person. Its Main goes into the <main> of the site's pages,
// after the heading, and uses their classes: ways, button, second, quiet. It
// needs no script, and no frame may show it.
type Page struct {
	Status int
	Title  string
	Main   template.HTML

	// FormTargets are where a form of the page may lead beyond the site itself,
	// as sources of a Content-Security-Policy. FormAnywhere leaves form-action
	// out of it.
	FormTargets  []string
	FormAnywhere bool
}

func newPage(title, file string, data any) Page {
	var main bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&main, file, data); err != nil {
		return Page{Status: http.StatusInternalServerError, Title: "This page could not be shown"}
	}
	return Page{Status: http.StatusOK, Title: title, Main: template.HTML(main.String())}
}

// consentData is what a user is told before they allow a program.
type consentData struct {
	Name     string
	Verified bool
	Redirect string
	Loopback bool // a program on the browser's machine
	Private  bool // a program that owns a scheme there
	User     string
	Email    string

	Action, List, Value string
	Allow, Deny         string
}

// consentPage asks the user. It never says more of the client than is known:
// anybody can call themselves by any name.
func consentPage(a *authorization, user zoomapi.Profile, prefix, value string) Page {
	p := newPage("Allow "+a.client.displayName()+"?", "consent.html", consentData{
		Name:     a.client.displayName(),
		Verified: a.client.verified(),
		Redirect: a.redirect.shown(),
		Loopback: a.redirect.loopback(),
		Private:  a.redirect.host == "",
		User:     cleanName(userName(user)),
		Email:    cleanName(user.Email),
		Action:   prefix + "/oauth/consent",
		List:     prefix + "/programs",
		Value:    value,
		Allow:    decisionAllow,
		Deny:     decisionDeny,
	})
	p.FormTargets, p.FormAnywhere = formTargets(a.redirect)
	return p
}

func userName(p zoomapi.Profile) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}

// formTargets says where the consent form may lead. Chromium and Safari hold the
// whole chain of redirects after a form to form-action, so it names where the
// code goes; not for https, since who takes a code there may redirect on, and
// not for [::1], which no source of a policy can name.
func formTargets(t redirectTarget) (sources []string, anywhere bool) {
	switch {
	case t.scheme == "https" || strings.HasPrefix(t.host, "["):
		return nil, true
	case t.loopback():
		return []string{t.scheme + "://" + t.host}, false
	}
	return []string{t.scheme + ":"}, false
}

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
	form, err := readForm(w, r)
	if err != nil {
		return s.Site.Refuse(w, r, ErrBadForm)
	}
	session, _, err := s.Site.Visitor(w, r)
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
