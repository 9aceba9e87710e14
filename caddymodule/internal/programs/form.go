package programs

import (
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxForm bounds what is read of a form, and maxDiscarded what is read and
// forgotten of a longer one: a client that is still sending when the connection
// closes sees a reset instead of the answer.
const (
	maxForm      = 64 << 10
	maxDiscarded = 2 << 20
)

var (
	errContentType = &refusal{invalidRequest, "the content type is not application/x-www-form-urlencoded"}
	errLongForm    = &refusal{invalidRequest, "the body is longer than 64 KiB"}
	errFormSyntax  = &refusal{invalidRequest, "the body is not a form"}
	errRepeated    = &refusal{invalidRequest, "a parameter is repeated"}
)

// readForm reads the parameters of a POST, from the body alone: what stands in
// an address is written to logs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return nil, errContentType
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, errLongForm
	}
	return parseParameters(string(body))
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
	}
	return body, err
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
