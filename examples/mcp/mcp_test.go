package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
)

// needPackages fetches the packages, or skips the test.
func needPackages(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		demotest.Missing(t, err.Error())
	}
	var out strings.Builder
	if err := install(t.Context(), ".", &out); err != nil {
		demotest.Missing(t, err.Error()+"\n"+out.String())
	}
}

func start(t *testing.T) *rig {
	t.Helper()
	needPackages(t)
	r, err := startRig(t.Context(), ".", 0)
	if err != nil {
		t.Fatal(err)
	}
	demotest.StopAtEnd(t, r.stop)
	return r
}

func TestCheck(t *testing.T) {
	needPackages(t)
	demotest.Check(t, run, []string{"-dir", ".", "-port", "0"},
		"echo: Echo: hello\n", "The client was asked: ", "a directory", // what only that client and that server say
		"who_am_i: You are Ada Lovelace, at Zoom aDa1815\n", `"email":"ada@example.com"`, "All is well.",
	)
}

// Nobody gets to a server by another way than through Caddy, and with a token.
func TestNobodyGetsAnything(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/mcp", "/zoom"} {
		resp, err := http.Post(r.url+path, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := `Bearer resource_metadata="` + r.url + "/.well-known/oauth-protected-resource" + path + `"`
		if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != http.StatusUnauthorized || got != want {
			t.Errorf("%s: got %d, %q", path, resp.StatusCode, got)
		}
	}
	if info, err := os.Stat(r.temp); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the sockets: %v, %v", info.Mode(), err)
	}
}

// Other pages in the browser can reach the client's port, too.
func TestOnlyTheAnswerOfThisSignInCounts(t *testing.T) {
	r := start(t)
	var out strings.Builder
	err := r.client(t.Context(), &out, "/zoom", func(address string) error {
		asked, err := url.Parse(address)
		if err != nil {
			return err
		}
		q := asked.Query()
		for name, answer := range map[string]url.Values{
			"another state":  {"code": {"x"}, "state": {"x"}, "iss": {r.url}},
			"another server": {"code": {"x"}, "state": q["state"], "iss": {"https://other.example"}},
			"no server":      {"code": {"x"}, "state": q["state"]},
		} {
			resp, err := http.Get(q.Get("redirect_uri") + "?" + answer.Encode())
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: got %s", name, resp.Status)
			}
		}
		v, err := demo.NewVisitor(t.Context())
		if err != nil {
			return err
		}
		_, err = v.AllowProgram(r.zoom.URL, address)
		return err
	}, "who_am_i")
	if err != nil || !strings.Contains(out.String(), "You are Ada Lovelace") {
		t.Errorf("the sign-in that was begun: %v\n%s", err, out.String())
	}
}

// Whoever turns back at Zoom leaves a client that says so.
func TestAPersonWhoDeclines(t *testing.T) {
	r := start(t)
	err := r.client(t.Context(), io.Discard, "/mcp", func(address string) error {
		v, err := demo.NewVisitor(t.Context())
		if err != nil {
			return err
		}
		zoom, err := v.Open(address)
		if err != nil {
			return err
		}
		page, err := url.Parse(zoom.URL)
		if err != nil {
			return err
		}
		_, err = v.Open(page.Query().Get("redirect_uri") + "?" + url.Values{"error": {"access_denied"}, "state": page.Query()["state"]}.Encode())
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("got error %v", err)
	}
}

func TestCaddyfilesOfREADME(t *testing.T) {
	t.Setenv("ZOOM_CLIENT_ID", clientID)
	t.Setenv("ZOOM_CLIENT_SECRET", clientSecret)
	t.Setenv("ZOOM_ACCOUNT_ID", demo.Ada.AccountID)
	demotest.CheckCaddyfiles(t)
}

func TestLockNamesNoRegistry(t *testing.T) { demotest.CheckLock(t) }

func TestCommandLine(t *testing.T) { demotest.CommandLine(t, run) }

// A server that does not come up says why.
func TestAServerThatEnds(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		demotest.Missing(t, err.Error())
	}
	_, err := startNode(t.Context(), "the server", ".", filepath.Join(t.TempDir(), "socket"), nil, "-e", "throw new Error('no room')")
	if err == nil || !strings.Contains(err.Error(), "the server ended: exit status 1") || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got error %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = startNode(t.Context(), "the server", ".", "", nil)
	if err == nil || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("without Node.js: %v", err)
	}
}
