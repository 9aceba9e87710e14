package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// maxRequestJSON bounds what an endpoint reads.
const maxRequestJSON = 64 << 10

// maxDiscardedJSON bounds what is read, and forgotten, of a body that is too long.
const maxDiscardedJSON = 2 << 20

var (
	errNotJSON     = errors.New("the body is not the JSON object that is expected here")
	errContentType = errors.New("the content type is not application/json")
	errLongJSON    = errors.New("the body is longer than 64 KiB")
)

// readJSON reads the JSON body of a request to an endpoint. Unknown
// members are left alone. The content type, which scripts forget, may be absent,
// but not one of those that a form can send; foreign pages were refused before.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if said := r.Header.Get("Content-Type"); said != "" {
		if media, _, err := mime.ParseMediaType(said); err != nil || media != "application/json" {
			return errContentType
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestJSON))
	if errors.As(err, new(*http.MaxBytesError)) {
		// A client that is still sending when the connection closes sees a reset
		// instead of the answer.
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscardedJSON)
		return errLongJSON
	}
	// "null" would leave every member as it is, like an empty object.
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || json.Unmarshal(body, into) != nil {
		return errNotJSON
	}
	return nil
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
