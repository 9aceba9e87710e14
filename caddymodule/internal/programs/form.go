package programs

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
)

// Bodies of programs and others who come without a session, and of visitors who have one.
// Strangers who fill their memory leave visitors theirs.
var (
	strangerBodies = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
	visitorBodies  = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
)

var (
	errContentType = &refusal{invalidRequest, "the content type is not application/x-www-form-urlencoded"}
	errLongForm    = &refusal{invalidRequest, "the body is longer than 64 KiB"}
	errBrokenForm  = &refusal{invalidRequest, "the body breaks off, or did not come within 10 s"}
	errFormSyntax  = &refusal{invalidRequest, "the body is not a form"}
	errRepeated    = &refusal{invalidRequest, "a parameter is repeated"}
)

// readForm reads the parameters of a POST, from the body alone: what stands in
// an address is written to logs. Its error is [bodies.ErrBusy] or a refusal.
func readForm(l *bodies.Limits, w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return nil, errContentType
	}
	body, release, err := l.Read(w, r)
	defer release()
	switch {
	case errors.Is(err, bodies.ErrTooLong):
		return nil, errLongForm
	case errors.Is(err, bodies.ErrBusy):
		return nil, err
	case err != nil:
		return nil, errBrokenForm
	}
	return parseParameters(string(body))
}

// parseParameters reads the parameters of a request. None may be repeated but
// resource (RFC 6749, section 3.1; RFC 8707, section 2), and one without a value
// is as if it were not there. With an error it returns what could be read.
func parseParameters(encoded string) (url.Values, error) {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return values, errFormSyntax
	}
	for name, list := range values {
		switch {
		case name != "resource" && len(list) > 1:
			err = errRepeated
		case len(list) == 1 && list[0] == "":
			delete(values, name)
		}
	}
	return values, err
}
