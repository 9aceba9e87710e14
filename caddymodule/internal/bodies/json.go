package bodies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
)

var (
	errNotJSON     = errors.New("the body is not the JSON object that is expected here")
	errContentType = errors.New("the content type is not application/json")
)

// ReadJSON reads the JSON body of a request to an endpoint. Unknown
// members are left alone. The content type, which scripts forget, may be absent,
// but not one of those that a form can send; foreign pages were refused before.
func (l *Limits) ReadJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if said := r.Header.Get("Content-Type"); said != "" {
		if media, _, err := mime.ParseMediaType(said); err != nil || media != "application/json" {
			return errContentType
		}
	}
	body, release, err := l.Read(w, r)
	defer release()
	switch {
	case errors.Is(err, ErrTooLong):
		return fmt.Errorf("the body is longer than %d KiB", l.Each>>10)
	case errors.Is(err, ErrBusy):
		return err
	}
	// "null" would leave every member as it is, like an empty object. There is no body
	// after an error.
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || json.Unmarshal(body, into) != nil {
		return errNotJSON
	}
	return nil
}

// Number is a number or a string of digits: clients written for Zoom's samples
// send either.
type Number string

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		return json.Unmarshal(raw, (*string)(n))
	}
	var value json.Number
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	*n = Number(value)
	return nil
}
