package bodies_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/bodies"
)

func TestReadJSON(t *testing.T) {
	// A second body that is held does not fit, so each has to be let go.
	l := &bodies.Limits{Each: 2 << 10, All: 2<<10 + 1, Patience: time.Minute}
	for name, test := range map[string]struct {
		contentType, body string
		want              string // of the error
	}{
		"good":                    {"application/json", `{"name":"ada","more":1}`, ""},
		"charset":                 {"application/json; charset=utf-8", `{"name":"ada"}`, ""},
		"no content type":         {"", " \t\r\n" + `{"name":"ada"}`, ""},
		"as a form can send it":   {"text/plain", `{"name":"ada"}`, "the content type is not application/json"},
		"broken content type":     {"application/json; x", `{"name":"ada"}`, "the content type is not application/json"},
		"null":                    {"", `null`, "the body is not the JSON object that is expected here"},
		"a list":                  {"", `[{"name":"ada"}]`, "the body is not the JSON object that is expected here"},
		"a number for a text":     {"", `{"name":1}`, "the body is not the JSON object that is expected here"},
		"cut off":                 {"", `{"name":"ada"`, "the body is not the JSON object that is expected here"},
		"nothing":                 {"", ``, "the body is not the JSON object that is expected here"},
		"as long as it may be":    {"", `{"name":"ada"}` + strings.Repeat(" ", 2<<10-14), ""},
		"longer":                  {"", `{"name":"ada"}` + strings.Repeat(" ", 2<<10-13), "the body is longer than 2 KiB"},
		"far longer, in a member": {"", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "the body is longer than 2 KiB"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
		if test.contentType != "" {
			r.Header.Set("Content-Type", test.contentType)
		}
		var into struct {
			Name string `json:"name"`
		}
		err := l.ReadJSON(httptest.NewRecorder(), r, &into)
		if test.want == "" && (err != nil || into.Name != "ada") || test.want != "" && (err == nil || err.Error() != test.want) {
			t.Errorf("%s: %+v, %v", name, into, err)
		}
	}
	broken := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("{}"), brokenBody{io.ErrUnexpectedEOF}))
	if err := l.ReadJSON(httptest.NewRecorder(), broken, new(struct{})); err == nil {
		t.Error("a body that breaks off is taken")
	}
	busy := &bodies.Limits{Each: 2 << 10, All: 1, Patience: time.Minute}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	if err := busy.ReadJSON(httptest.NewRecorder(), r, new(struct{})); !errors.Is(err, bodies.ErrBusy) {
		t.Errorf("without memory: %v", err)
	}
}

func TestNumber(t *testing.T) {
	l := &bodies.Limits{Each: 1 << 10, All: 2 << 10, Patience: time.Minute}
	for text, want := range map[string]string{`12`: "12", `"12"`: "12", `1.5`: "1.5", `"x"`: "x", `true`: "!", `{}`: "!", `"\x"`: "!"} {
		var into struct{ N bodies.Number }
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"N":`+text+`}`))
		if err := l.ReadJSON(httptest.NewRecorder(), r, &into); (err != nil) != (want == "!") || err == nil && string(into.N) != want {
			t.Errorf("%s: %q, %v", text, into.N, err)
		}
	}
}
