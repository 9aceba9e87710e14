package programs

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"

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
	Document string // host of the document that describes the client
	Redirect string
	Loopback bool // a program on the browser's machine
	Private  bool // a program that owns a scheme there
	User     string
	Email    string
	Meetings bool // it may fetch keys for meetings

	Action, List, Value string
	Allow, Deny         string
}

// consentPage asks the user. It never says more of the client than is known:
// anybody can call themselves by any name.
func consentPage(a *authorization, user zoomapi.Profile, prefix, value string) Page {
	p := newPage("Allow "+a.client.displayName()+"?", "consent.html", consentData{
		Name:     a.client.displayName(),
		Verified: a.client.verified(),
		Document: a.client.host,
		Redirect: a.redirect.shown(),
		Loopback: a.redirect.loopback(),
		Private:  a.redirect.host == "",
		User:     cleanName(userName(user)),
		Email:    cleanName(user.Email),
		Meetings: a.client.verified() && !a.resource.HasPath,
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
