package zoomtest

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
)

var (
	//go:embed consent.html
	consentHTML string
	//go:embed error.html
	errorHTML string

	consentTemplate = template.Must(template.New("consent").Parse(consentHTML))
	errorTemplate   = template.Must(template.New("error").Parse(errorHTML))
)

// consentPage asks a person to choose who they are and whether they allow the
// app in. It needs no session: the form carries the whole request.
func (s *Server) consentPage(a *authorization, rawQuery string) answer {
	type choice struct{ ID, Name, Email string }
	var users []choice
	for _, id := range s.userOrder {
		u := s.users[id]
		users = append(users, choice{id, u.label(), u.Email})
	}
	return htmlAnswer(http.StatusOK, consentTemplate, map[string]any{
		"ClientID": a.app.ClientID,
		"Redirect": a.redirectURI,
		"Scopes":   a.scopes,
		"Users":    users,
		"Request":  rawQuery,
	})
}

// consent is the form of the consent page. The request in it is checked again;
// posts from other sites are refused.
func (s *Server) consent(q *request) answer {
	if q.Method != http.MethodPost {
		return methodNotAllowed(http.MethodPost)
	}
	if err := http.NewCrossOriginProtection().Check(q.Request); err != nil {
		return refuse(q, &refusal{4700, "Cross-site request"})
	}
	params, err := url.ParseQuery(q.form.Get("request"))
	if err != nil || q.err != nil {
		return refuse(q, &refusal{4700, "Invalid request"})
	}
	a, no := s.checkAuthorization(params)
	if no != nil {
		return refuse(q, no)
	}
	switch q.form.Get("decision") {
	case "allow":
		user := s.users[q.form.Get("user")]
		if user == nil {
			return refuse(q, &refusal{4700, "No such user"})
		}
		return s.allow(a, user.ID)
	case "decline":
		// Seen is an error next to the state (zoom/arlo, CoreVideo); its
		// value is the one of RFC 6749.
		return a.back("error", "access_denied")
	}
	return refuse(q, &refusal{4700, "Invalid request"})
}

// errorPage shows a refusal.
func errorPage(no *refusal) answer {
	return htmlAnswer(http.StatusBadRequest, errorTemplate, no.String())
}

func htmlAnswer(status int, page *template.Template, data any) answer {
	var body bytes.Buffer
	_ = page.Execute(&body, data) // what the pages are made for
	return answer{
		status: status,
		header: http.Header{
			"Content-Type":            {"text/html;charset=utf-8"},
			"Cache-Control":           {"no-store"},
			"Referrer-Policy":         {"same-origin"},
			"X-Content-Type-Options":  {"nosniff"},
			"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
		},
		body: body.Bytes(),
	}
}
