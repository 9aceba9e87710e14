package zoomtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestSigningOutOfZoom(t *testing.T) {
	srv := NewServer()
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
