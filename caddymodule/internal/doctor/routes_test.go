package doctor_test

import (
	"os"
	"strings"
	"testing"
)

// The doctor finds the same without starting.
func TestDoctorFindsStrayRedirectURIs(t *testing.T) {
	for _, tt := range []struct {
		name, address, before, after string
		status                       string
		message, advice              string
	}{
		{"in a handle", "http://127.0.0.1:8080", "handle /app/* {\n", "}\n", "fail", "do not reach this handler: zoom_pkce stands inside a handle or route", "at the top of the site"},
		{"on another host", "http://localhost:8080", "", "", "warn", "do not reach this handler: its site has another address", "rewrites Host"},
		{"as it should be", "http://127.0.0.1:8080", "", "", "ok", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t)
			file, err := os.ReadFile(p.write(t))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(file), "http://127.0.0.1:8080 {\n", tt.address+" {\n"+tt.before, 1)
			p.file = strings.TrimSuffix(text, "}\n") + tt.after + "}\n"
			found, healthy := p.examine(t)
			if healthy != (tt.status != "fail") {
				t.Errorf("healthy: %v", healthy)
			}
			var stray []finding
			for _, f := range found["redirect_uris"] {
				if f.Status != "ok" {
					stray = append(stray, f)
				}
			}
			if tt.status == "ok" {
				if len(stray) > 0 {
					t.Errorf("found %+v", stray)
				}
				return
			}
			if len(stray) != 1 || stray[0].Status != tt.status || len(stray[0].Values) != 1 || stray[0].Values[0] != doctorRedirectURI {
				t.Fatalf("found %+v", found["redirect_uris"])
			}
			if !strings.Contains(stray[0].Message, tt.message) || !strings.Contains(stray[0].Advice, tt.advice) {
				t.Errorf("found %+v", stray[0])
			}
		})
	}
}
