package zoomtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestSigningOutOfZoom(t *testing.T) {
	srv := zoomtest.NewServer()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/logout")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "signed out of Zoom") {
		t.Errorf("%d, %v\n%s", resp.StatusCode, err, page)
	}
}
