package backend

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/browser"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// wish is what an entitled sender asks for.
type wish struct {
	userID  string
	meeting string // of OBF tokens
	bare    bool   // the token alone, as text
}

var (
	errQuery       = badRequest("the query is malformed")
	errRepeated    = badRequest("a parameter is repeated")
	errUser        = badRequest("user_id is missing")
	errMeeting     = badRequest("meeting_id is not a number of 9 to 12 digits")
	errMeetingURL  = badRequest("meeting_url is not one of Zoom's: https://..., with /j/, /w/, /s/ or /wc/ and the number")
	errFormat      = badRequest("format can only be text")
	errBody        = badRequest("the body cannot be read")
	errBusy        = &RefusalError{outcome.StoreUnavailable, "too many bodies are being read at a time"}
	errLongBody    = badRequest("the body is longer than 64 KiB")
	errContentType = badRequest("the content type of the body is not application/x-www-form-urlencoded")
	errNotJSON     = badRequest("the body is not a JSON object with a meeting_url")
)

func badRequest(reason string) *RefusalError { return &RefusalError{outcome.BadRequest, reason} }

// read finds out who wants what. Nothing of the body is read for strangers.
func (s *Server) read(w http.ResponseWriter, r *http.Request, asked Kind, authorization []string) (wish, error) {
	signed, err := s.entitled(r, authorization)
	if err != nil {
		return wish{}, err
	}
	// With a signed URL everything is in the query, which the signature covers.
	values, err := parameters(w, r, !signed && asked != Bot)
	if err != nil {
		return wish{}, err
	}
	if signed {
		if err := checkExpiry(values.Get("expires"), time.Now()); err != nil {
			return wish{}, err
		}
	}
	want := wish{userID: values.Get("user_id"), bare: values.Get("format") == "text" && asked != Bot}
	switch {
	case want.userID == "":
		return wish{}, errUser
	case values.Get("format") != "" && !want.bare:
		return wish{}, errFormat
	}
	switch asked {
	case OBF:
		var ok bool
		if want.meeting, ok = zoomapi.MeetingNumber(values.Get("meeting_id")); !ok {
			return wish{}, errMeeting
		}
	case Bot:
		want.meeting, err = readMeetingURL(w, r)
	}
	return want, err
}

// parameters reads the query and, where it counts, the form. Which of two
// values counts is a matter on which servers differ, so there is one.
func parameters(w http.ResponseWriter, r *http.Request, withForm bool) (url.Values, error) {
	values, err := url.ParseQuery(browser.SentURL(r).RawQuery)
	if err != nil {
		return nil, errQuery
	}
	if withForm && browser.SentMethod(r) == http.MethodPost {
		form, err := readForm(w, r)
		if err != nil {
			return nil, err
		}
		for name, list := range form {
			values[name] = append(values[name], list...)
		}
	}
	for _, list := range values {
		if len(list) > 1 {
			return nil, errRepeated
		}
	}
	return values, nil
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, release, err := readBody(w, r)
	defer release()
	if len(body) == 0 { // as after an error
		return nil, err
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return nil, errContentType
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errBody
	}
	return form, nil
}

// requestBodies are those of senders who are entitled, and may be slow or mad all
// the same.
var requestBodies = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}

// readBody reads a body, which counts until release is called.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	body, release, err = requestBodies.Read(w, r)
	switch {
	case errors.Is(err, bodies.ErrTooLong):
		err = errLongBody
	case errors.Is(err, bodies.ErrBusy):
		err = errBusy
	case err != nil:
		err = errBody
	}
	return body, release, err
}

// readMeetingURL reads what a bot service posts, and returns the number of the
// meeting.
func readMeetingURL(w http.ResponseWriter, r *http.Request) (string, error) {
	body, release, err := readBody(w, r)
	defer release()
	if err != nil {
		return "", err
	}
	var posted struct {
		MeetingURL string `json:"meeting_url"`
	}
	if json.Unmarshal(body, &posted) != nil {
		return "", errNotJSON
	}
	meeting, ok := meetingOf(posted.MeetingURL)
	if !ok {
		return "", errMeetingURL
	}
	return meeting, nil
}
