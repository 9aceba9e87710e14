package zoomtest

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed signedout.html
var signedOutHTML string

var signedOutTemplate = template.Must(template.New("signed out").Parse(signedOutHTML))

// signOutPath is where people end Zoom's own session with their browser.
const signOutPath = "/logout"

// signOut has nothing to end: the consent page remembers nobody.
func (s *Server) signOut(q *request) answer {
	if q.Method != http.MethodGet {
		return apiError(http.StatusMethodNotAllowed, 405, "Method not allowed.")
	}
	return htmlAnswer(http.StatusOK, signedOutTemplate, nil)
}
