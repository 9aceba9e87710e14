package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// clientReport is what a client of testdata/oauthclients tells at its end.
type clientReport struct {
	MixUp    string // what it said of an answer of another server
	ZAK      string
	Received received // by the app, with the second tokens
	Tokens   []struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	Revoked []struct { // the challenges after it revoked its tokens
		Scheme, Error    string
		ResourceMetadata string `json:"resource_metadata"`
	}
	Refusal int // the status then
}

// The strictest libraries there are for Node sign in by what they discover, by a
// browser that a person uses, and give their access back.
func TestProgramsOnNode(t *testing.T) {
	dir := filepath.Join("testdata", "oauthclients")
	npmInstall(t, dir)
	for _, name := range []string{"oauth4webapi", "openid-client", "appauth"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			port := testkit.FreePort(t)
			w.load(w.site("programs {\nclient node http://127.0.0.1/callback http://127.0.0.1\n}"))
			b := w.browser()
			got := b.runClient(t, dir, name+".js", w.url, "node", port)

			if got.Received.Header.Get("X-Zoom-User-Id") != "user-ada" || got.Received.Header["Authorization"] != nil || got.Received.URI != "/page" {
				t.Errorf("the app received %+v", got.Received)
			}
			if user, _, ok := w.zoom.ValidateZAK(got.ZAK); !ok || user != "user-ada" {
				t.Errorf("a ZAK of %q", user)
			}
			if len(got.Tokens) != 2 || got.Tokens[0].Access == got.Tokens[1].Access || got.Tokens[0].Refresh == got.Tokens[1].Refresh {
				t.Errorf("the refresh changed nothing: %+v", got.Tokens)
			}
			if a := b.open("/zoom_pkce/programs"); !strings.Contains(a.body, "No program can use this site in your name.") {
				t.Errorf("the program is still there:\n%s", a.body)
			}
			if name == "appauth" { // knows no iss and reads no challenge
				if got.Refusal != http.StatusUnauthorized {
					t.Errorf("after the revocation: status %d", got.Refusal)
				}
				return
			}
			if !strings.Contains(got.MixUp, `"iss"`) {
				t.Errorf("an answer of another server: %q", got.MixUp)
			}
			if len(got.Revoked) != 1 || got.Revoked[0].Scheme != "bearer" || got.Revoked[0].Error != "invalid_token" ||
				got.Revoked[0].ResourceMetadata != w.url+"/.well-known/oauth-protected-resource/page" {
				t.Errorf("after the revocation: challenges %+v", got.Revoked)
			}
		})
	}
}

// npmInstall fetches with npm what a folder needs, unless it is there.
func npmInstall(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			testkit.Missing(t, err.Error())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		testkit.Missing(t, "npm ci: "+err.Error()+"\n"+string(out))
	}
}

// runClient runs a client of Node and is the person at the browser that it opens.
func (b *browser) runClient(t *testing.T, dir, script string, args ...string) (got clientReport) {
	t.Helper()
	bin := t.TempDir()
	opened := filepath.Join(bin, "opened")
	open := "#!/bin/sh\nprintf %s \"$1\" >'" + opened + ".part' && mv '" + opened + ".part' '" + opened + "'\n"
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(open), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	address := ""
	for deadline := time.Now().Add(time.Minute); address == ""; {
		select {
		case err := <-ended:
			t.Fatalf("%s ended before it opened the browser: %v\n%s", script, err, errs.String())
		case <-time.After(20 * time.Millisecond):
		}
		text, err := os.ReadFile(opened)
		if err != nil && (!errors.Is(err, os.ErrNotExist) || time.Now().After(deadline)) {
			t.Fatal(err)
		}
		address = string(text)
	}
	back := b.answerProgram(address, "user-ada", "allow")
	resp, err := http.Get(back)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end\n%s", script, errs.String())
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.String(), errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return got
}
