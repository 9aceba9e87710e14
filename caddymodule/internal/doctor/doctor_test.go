package doctor_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

func TestDoctorFindsNothingWrong(t *testing.T) {
	p := newPatient(t)
	found, healthy := p.examine(t)
	if !healthy {
		t.Errorf("a healthy configuration fails: %+v", found)
	}
	for check, want := range map[string]string{
		"configuration": "ok", "protected": "ok", "credentials": "ok", "clock": "ok", "storage": "ok", "secrets": "ok", "logs": "ok",
		"redirect_uris": "skipped", "scopes": "skipped", // Zoom shows them to nobody who is not signed in
	} {
		if len(found[check]) == 0 {
			t.Errorf("%s was not checked", check)
		}
		for _, f := range found[check] {
			if f.Status != want {
				t.Errorf("%s: %+v", check, f)
			}
		}
	}
	if got := found["redirect_uris"][0].Values; len(got) != 1 || got[0] != doctorRedirectURI {
		t.Errorf("redirect URIs to register: %q", got)
	}
	if got := fmt.Sprint(found["scopes"][0].Values); got != "[user:read:user user:read:zak]" {
		t.Errorf("scopes needed: %s", got)
	}
	if got := found["storage"][0].Message; !strings.Contains(got, p.storage+" can be written and read by "+osUser(t)) {
		t.Errorf("storage: %s", got)
	}
	if n := p.zoom.Count(zoomtest.CallCode); n != 1 {
		t.Errorf("%d codes were tried, want 1", n)
	}
	if _, err := os.Stat(p.logFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log file of the configuration was opened: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(p.storage, "zoom_pkce", "*", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("records are left behind: %q, %v", left, err)
	}
}

// withKey makes the app one with a key of its own and returns the key that Zoom
// knows.
func (p *patient) withKey(t *testing.T) (jwk string) {
	t.Helper()
	keyFile := filepath.Join(p.dir, "key.pem")
	out, err := run(t, "keygen", "--client-key")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, keyFile, out)
	_, jwk, _ = strings.Cut(strings.TrimSpace(out), "\n\n")
	registered, err := zoomtest.ParseJWK(jwk)
	if err != nil {
		t.Fatalf("%v\n%s", err, jwk)
	}
	p.zoom.AddApp(zoomtest.App{
		ClientID: testClientID, PublicKeys: []zoomtest.PublicKey{registered}, RedirectURIs: []string{doctorRedirectURI},
	})
	delete(p.options, "client_secret")
	p.options["client_key"] = "{file." + keyFile + "} " + registered.ID
	return jwk
}

func TestDoctorKnowsClientKeys(t *testing.T) {
	p := newPatient(t)
	jwk := p.withKey(t)
	found, healthy := p.examine(t)
	if !healthy || found["credentials"][0].Message != "Zoom accepts client_id and client_key" {
		t.Errorf("got %+v", found["credentials"])
	}
	if got := found["client_key"]; len(got) != 1 || got[0].Status != "ok" || len(got[0].Values) != 1 || got[0].Values[0] != jwk {
		t.Errorf("to be registered: %+v, want %s", got, jwk)
	}
	for _, f := range found["secrets"] {
		if f.Status != "ok" {
			t.Errorf("got %+v", f)
		}
	}
}

func TestDoctorFindsWhatIsBroken(t *testing.T) {
	refused := func(p *patient, status int, body string, header ...string) {
		p.zoom.Fail(zoomtest.CallCode, -1, zoomtest.Status(status, body, header...))
	}
	const badCode = `{"reason":"Invalid authorization code","error":"invalid_grant"}`
	for _, test := range []struct {
		name    string
		damage  func(t *testing.T, p *patient)
		check   string
		message string // part of it, or of the values
		advice  string
	}{
		{"unset variable", func(t *testing.T, p *patient) {
			p.options["client_secret"] = "{env.DOCTOR_IS_NOT_SET}"
		}, "configuration", "{env.DOCTOR_IS_NOT_SET}", "--envfile"},
		{"unset variable of the Caddyfile", func(t *testing.T, p *patient) {
			p.options["client_secret"] = "{$DOCTOR_IS_NOT_SET}"
		}, "configuration", "is a {$NAME} in it unset?", "--envfile"},
		{"syntax error", func(t *testing.T, p *patient) {
			p.file = "http://127.0.0.1:8080 {\n\tzoom_pkce {\n\t\tclient_identity x\n\t}\n}\n"
		}, "configuration", "client_identity", ""},
		{"unclosed block", func(t *testing.T, p *patient) { p.file = "http://127.0.0.1 {\n" }, "configuration", "Caddyfile", ""},
		{"without the directive", func(t *testing.T, p *patient) {
			p.file = "{\nadmin off\n}\nhttp://127.0.0.1:8080 {\n\trespond ok\n}\n"
		}, "configuration", "no zoom_pkce", ""},
		{"two Zoom apps that claim the same paths", func(t *testing.T, p *patient) {
			const handler = "zoom_pkce {\nclient_id %s\nclient_secret x\nredirect_uri http://127.0.0.1:8080/zoom_pkce/callback\n}\n"
			p.file = "{\nadmin off\n}\nhttp://127.0.0.1:8080 {\nroute {\n" + fmt.Sprintf(handler+handler, "FirstApp", "SecondApp") + "}\n}\n"
		}, "configuration", "both have the callback", "`caddy validate` cannot see it"},
		{"short cookie secret", func(t *testing.T, p *patient) {
			t.Setenv("DOCTOR_COOKIE_SECRET", "xYz4-short")
		}, "configuration", "32 or more", ""},
		{"repeated cookie secret", func(t *testing.T, p *patient) {
			t.Setenv("DOCTOR_COOKIE_SECRET", strings.Repeat("kR7x", 10))
		}, "secrets", "different characters", "keygen"},
		{"cookie secret made up by a person", func(t *testing.T, p *patient) {
			t.Setenv("DOCTOR_COOKIE_SECRET", "My-Very-Own-Password-For-Zoom-1984")
		}, "secrets", "contains a word", "keygen"},
		{"client secret as cookie secret", func(t *testing.T, p *patient) {
			t.Setenv("DOCTOR_COOKIE_SECRET", testClientSecret)
		}, "secrets", "is the client_secret", "keygen"},
		{"wrong client secret", func(t *testing.T, p *patient) {
			t.Setenv("DOCTOR_CLIENT_SECRET", "the-secret-of-development")
		}, "credentials", "does not accept", "development"},
		{"disabled app", func(t *testing.T, p *patient) {
			refused(p, 400, `{"code":4717,"message":"disabled"}`, "X-Zm-Trackingid", "v=2.0;clid=aw1;rid=WEB_1")
		}, "credentials", "v=2.0;clid=aw1;rid=WEB_1", "active"},
		{"public client that signs with its own id", func(t *testing.T, p *patient) {
			delete(p.options, "client_secret")
			p.options["meeting_sdk"] = "{\nsdk_secret {env.DOCTOR_CLIENT_SECRET}\n}"
		}, "configuration", "meeting_sdk sdk_key: is required for a public client", ""},
		{"public client without being one", func(t *testing.T, p *patient) {
			delete(p.options, "client_secret")
		}, "credentials", "as a public client", "client_secret"},
		{"a key that Zoom does not know", func(t *testing.T, p *patient) {
			p.withKey(t)
			out, err := run(t, "keygen", "--client-key")
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(p.dir, "key.pem"), out)
		}, "credentials", "does not accept client_id and client_key", "public key"},
		{"a key that is none", func(t *testing.T, p *patient) {
			p.withKey(t)
			writeFile(t, filepath.Join(p.dir, "key.pem"), "not a key")
		}, "configuration", "there is no private key in PEM", ""},
		{"unregistered redirect URI", func(t *testing.T, p *patient) {
			p.options["redirect_uri"] = "http://127.0.0.1:8080/zoom_pkce/other"
		}, "redirect_uris", "http://127.0.0.1:8080/zoom_pkce/other", "marketplace.zoom.us"},
		{"scope left out", func(t *testing.T, p *patient) {
			p.options["scopes"] = "user:read:user"
		}, "scopes", "user:read:zak", "add them to scopes"},
		{"scope of the longer ZAK left out", func(t *testing.T, p *patient) {
			p.options["scopes"] = "user:read:user user:read:zak"
			p.options["zak"] = "{\nlifetime 1h\n}"
		}, "scopes", "user:read:token", "add them to scopes"},
		{"scope the app does not have", func(t *testing.T, p *patient) {
			p.options["scopes"] = "user:read:user user:read:zak meeting:read:meeting"
		}, "scopes", "refuses", "marketplace.zoom.us"},
		{"storage is a file", func(t *testing.T, p *patient) {
			if err := os.WriteFile(p.storage, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "storage", osUser(t), "let the user"},
		{"storage cannot be reached", func(t *testing.T, p *patient) {
			p.options["session"] = "{\nstore redis redis://" + closedPort(t) + "\n}"
		}, "storage", "redis", "reach the store"},
		{"clock an hour ahead", func(t *testing.T, p *patient) {
			refused(p, 400, badCode, "Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		}, "clock", "1h0m0s ahead of", "NTP"},
		{"clock a minute behind", func(t *testing.T, p *patient) {
			refused(p, 400, badCode, "Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		}, "clock", "behind", "NTP"},
		{"Zoom unreachable", func(t *testing.T, p *patient) {
			p.options["oauth_url"] = "http://" + closedPort(t)
		}, "credentials", "cannot be reached", "firewall"},
		{"Zoom hangs", func(t *testing.T, p *patient) {
			p.zoom.Fail(zoomtest.CallCode, -1, zoomtest.Hang())
		}, "credentials", "cannot be reached", "firewall"},
		{"a proxy answers", func(t *testing.T, p *patient) {
			p.zoom.Fail(zoomtest.CallCode, -1, zoomtest.HTML())
		}, "credentials", "does not answer as Zoom does", "proxy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.damage(t, p)
			found, healthy := p.examine(t)
			if healthy {
				t.Error("nothing failed")
			}
			var failed []finding
			for _, f := range found[test.check] {
				if f.Status == "fail" {
					failed = append(failed, f)
				}
			}
			if len(failed) != 1 {
				t.Fatalf("%s failed %d times: %+v", test.check, len(failed), found)
			}
			f := failed[0]
			if text := f.Message + " " + strings.Join(f.Values, " "); !strings.Contains(text, test.message) {
				t.Errorf("found %q, want %q in it", text, test.message)
			}
			if !strings.Contains(f.Advice, test.advice) || f.Advice == "" {
				t.Errorf("advice %q, want %q in it", f.Advice, test.advice)
			}
			for check, findings := range found {
				for _, f := range findings {
					if f.Status == "fail" && check != test.check {
						t.Errorf("fails as well: %+v", f)
					}
				}
			}
		})
	}
}

func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// What could not be checked is neither right nor wrong.
func TestDoctorSkipsWhatCannotBeKnown(t *testing.T) {
	p := newPatient(t)
	p.zoom.Fail(zoomtest.CallCode, -1, zoomtest.RateLimited("", false))
	p.options["client_secret"] = testClientSecret
	all := p.diagnose(t)
	found, healthy := all.byCheck(), all.OK
	if !healthy || found["credentials"][0].Status != "skipped" {
		t.Errorf("asked to pause: %+v", found["credentials"])
	}
	literal := found["secrets"][0]
	if literal.Status != "warn" || fmt.Sprint(literal.Values) != "[client_secret]" {
		t.Errorf("a secret in the configuration itself: %+v", literal)
	}
}

func TestDoctorWarnsAboutFilesOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	p := newPatient(t)
	if err := os.Mkdir(p.storage, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(p.storage, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	theirs := p.storage
	for _, p.storage = range []string{theirs, filepath.Join(theirs, "not", "there")} {
		found, _ := p.examine(t)
		storage := found["storage"][0]
		if storage.Status != "skipped" || !strings.Contains(storage.Message, "not written to: "+theirs) || !strings.Contains(storage.Advice, "sudo -u") {
			t.Errorf("%s: got %+v", p.storage, storage)
		}
		if left, _ := os.ReadDir(theirs); len(left) > 0 {
			t.Errorf("root has written to somebody else's storage: %v", left)
		}
	}
}

func TestDoctorPrintsALineForEachCheck(t *testing.T) {
	p := newPatient(t)
	t.Setenv("DOCTOR_CLIENT_SECRET", "the-secret-of-development")
	out, err := run(t, "doctor", "--config", p.write(t))
	if err == nil {
		t.Error("no error")
	}
	for _, want := range []string{
		"ok       configuration", "Zoom app " + testClientID, "fail     credentials", " -> ", doctorRedirectURI,
		"something failed (checked as " + osUser(t) + ")",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if lines := strings.Count(out, "\n"); lines > 24 {
		t.Errorf("%d lines are more than a screen:\n%s", lines, out)
	}
	if strings.Contains(out, "the-secret-of") {
		t.Errorf("a secret is printed:\n%s", out)
	}
}

// Two handlers of one app are one patient; two apps are two.
func TestDoctorChecksEveryApp(t *testing.T) {
	p := newPatient(t)
	p.zoom.AddApp(zoomtest.App{ClientID: "SecondApp0123456789abc", RedirectURIs: []string{"http://127.0.0.1:8081/zoom_pkce/callback"}})
	first := fmt.Sprintf("client_id %s\nclient_secret {env.DOCTOR_CLIENT_SECRET}\noauth_url %s\napi_url %[2]s\n", testClientID, p.zoom.URL)
	second := fmt.Sprintf("client_id SecondApp0123456789abc\nredirect_uri http://127.0.0.1:8081/zoom_pkce/callback\noauth_url %s\n", p.zoom.URL)
	p.file = fmt.Sprintf("{\nadmin off\nstorage file_system %q\n}\nhttp://127.0.0.1:8080 {\nzoom_pkce /a/* {\n%sredirect_uri %s\n}\n}\n"+
		"http://localhost:8080 {\nzoom_pkce {\n%sredirect_uri http://localhost:8080/zoom_pkce/callback\n}\n}\n"+
		"http://127.0.0.1:8081 {\nzoom_pkce {\n%s}\n}\n", p.storage, first, doctorRedirectURI, first, second)
	found, _ := p.examine(t)
	if len(found["credentials"]) != 2 || len(found["storage"]) != 2 {
		t.Fatalf("got %+v", found)
	}
	for _, f := range found["credentials"] {
		if f.Status != "ok" {
			t.Errorf("got %+v", f)
		}
	}
	for _, f := range found["redirect_uris"] {
		if f.ClientID == testClientID && fmt.Sprint(f.Values) != "[http://localhost:8080/zoom_pkce/callback]" {
			t.Errorf("the one that is not registered: %+v", f)
		}
	}
}

// Caddy's logs show tokens unless their format keeps them out, also where another
// format stands around it.
func TestDoctorLooksAtLogs(t *testing.T) {
	for format, want := range map[string]string{
		"json": "warn [default]", "zoom_pkce console": "ok []", "filter {\nwrap zoom_pkce\nfoo delete\n}": "ok []",
		"zoom_pkce\n}\nlog second {\noutput file second.log":                   "warn [second]",
		"zoom_pkce\n}\nlog second {\noutput file second.log\nformat zoom_pkce": "ok []",
	} {
		p := newPatient(t)
		p.logFormat = format
		found, healthy := p.examine(t)
		if len(found["logs"]) != 1 || fmt.Sprint(found["logs"][0].Status, " ", found["logs"][0].Values) != want || !healthy {
			t.Errorf("format %s: %+v", format, found["logs"])
		}
	}
}
