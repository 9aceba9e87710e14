package doctor_test

import (
	"os"
	"strings"
	"testing"
)

// Programs have to reach the handler, with the Authorization that they send.
func TestDoctorFindsWhatIsInTheWayOfPrograms(t *testing.T) {
	const gate = "basic_auth {\nada $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}\n"
	for before, want := range map[string]string{
		"":   "",
		gate: "another directive that reads Authorization",
		"handle /.well-known/* {\nrespond ok\n}\n":                        "at which programs sign in",
		"handle /.well-known/oauth-protected-resource {\nrespond ok\n}\n": "at which programs sign in",
	} {
		p := newPatient(t)
		p.options["programs"] = "{\nclient cli http://127.0.0.1/\n}"
		file, err := os.ReadFile(p.write(t))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(file), "http://127.0.0.1:8080 {\n", "http://127.0.0.1:8080 {\n"+before, 1)
		if strings.HasPrefix(before, "handle") {
			text = strings.Replace(text, "\tzoom_pkce", "\thandle {\nzoom_pkce", 1)
			text = strings.TrimSuffix(text, "}\n") + "}\n}\n"
		}
		// One without programs stands before it.
		p.file = strings.Replace(text, "http://127.0.0.1:8080 {\n", "http://localhost:8080 {\n"+gate+"zoom_pkce {\nclient_id "+testClientID+
			"\nclient_secret {env.DOCTOR_CLIENT_SECRET}\nredirect_uri http://localhost:8080/zoom_pkce/callback\noauth_url "+p.zoom.URL+"\napi_url "+p.zoom.URL+
			"\ncookie {\nsecret {env.DOCTOR_COOKIE_SECRET}\n}\n}\n}\nhttp://127.0.0.1:8080 {\n", 1)
		found, _ := p.examine(t)
		checks := found["programs"]
		if want == "" && len(checks) > 0 || want != "" && (len(checks) != 1 || checks[0].Status != "warn" || !strings.Contains(checks[0].Message, want)) {
			t.Errorf("%q: found %+v\n%s", before, checks, text)
		}
	}
}
