package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// Bodies of requests to endpoints: of visitors not known yet, and of those who have a
// session. Strangers who fill their memory leave the others theirs.
var (
	strangerBodies = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
	visitorBodies  = &bodies.Limits{Each: 64 << 10, All: 16 << 20, Patience: 10 * time.Second}
)

var (
	errNotJSON     = errors.New("the body is not the JSON object that is expected here")
	errContentType = errors.New("the content type is not application/json")
	errLongJSON    = errors.New("the body is longer than 64 KiB")
)

// readJSON reads the JSON body of a request to an endpoint. Unknown
// members are left alone. The content type, which scripts forget, may be absent,
// but not one of those that a form can send; foreign pages were refused before.
func readJSON(w http.ResponseWriter, r *http.Request, of *bodies.Limits, into any) error {
	if said := r.Header.Get("Content-Type"); said != "" {
		if media, _, err := mime.ParseMediaType(said); err != nil || media != "application/json" {
			return errContentType
		}
	}
	body, release, err := of.Read(w, r)
	defer release()
	switch {
	case errors.Is(err, bodies.ErrTooLong):
		return errLongJSON
	case errors.Is(err, bodies.ErrBusy):
		return err
	}
	// "null" would leave every member as it is, like an empty object.
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || json.Unmarshal(body, into) != nil {
		return errNotJSON
	}
	return nil
}

// bodyRefusal is the answer to a body that could not be read, or makes no sense.
// There is no code for want of memory; what is there to do is the same as for
// want of the store.
func bodyRefusal(err error) refusal {
	if errors.Is(err, bodies.ErrBusy) {
		return refusal{code: outcome.StoreUnavailable, err: err}
	}
	return refusal{code: outcome.BadRequest, err: err}
}

// number is a number or a string of digits: clients written for Zoom's samples
// send either.
type number string

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(n))
	}
	var value json.Number
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	*n = number(value)
	return nil
}
