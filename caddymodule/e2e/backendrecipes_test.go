package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// signingRecipes are the documented ways to sign a URL, with what makes programs of
// them that print one: origin, path, parameters and secret are their arguments.
var signingRecipes = map[string]struct{ command, file, before, after string }{
	"js": {
		"node", "sign.mjs", "",
		"const [origin, path, parameters, secret] = process.argv.slice(2);\n" +
			"process.stdout.write(signedURL(origin, path, JSON.parse(parameters), secret));\n",
	},
	"python": {
		"python3", "sign.py", "",
		"\nimport json, sys\norigin, path, parameters, secret = sys.argv[1:]\n" +
			"sys.stdout.write(signed_url(origin, path, json.loads(parameters), secret))\n",
	},
	"php": {
		"php", "sign.php", "<?php\n",
		"[, $origin, $path, $parameters, $secret] = $argv;\necho signed_url($origin, $path, json_decode($parameters, true), $secret);\n",
	},
}

// The recipes sign URLs that count, in each of its languages, and for user ids that
// have to be encoded, as those of Zoom often have.
func TestSigningRecipes(t *testing.T) {
	recipes, err := os.ReadFile("../../caddymodule/BACKEND.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.load(w.site(backendOptions()))
	w.browser().signIn("/", "user-ada")
	for language, recipe := range signingRecipes {
		t.Run(language, func(t *testing.T) {
			code := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)\n```\n").FindSubmatch(recipes)
			if code == nil {
				t.Fatal("there is no such recipe")
			}
			if _, err := exec.LookPath(recipe.command); err != nil {
				testkit.Missing(t, "there is no "+recipe.command)
			}
			file := filepath.Join(t.TempDir(), recipe.file)
			if err := os.WriteFile(file, []byte(recipe.before+string(code[1])+"\n"+recipe.after), 0o600); err != nil {
				t.Fatal(err)
			}
			signed := func(path string, parameters map[string]string) string {
				t.Helper()
				encoded, err := json.Marshal(parameters)
				if err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(t.Context(), recipe.command, file, w.url, path, string(encoded), backendSecret).Output()
				if err != nil {
					t.Fatal(err)
				}
				return string(out)
			}
			// As recall.ai fetches a ZAK.
			zak := w.browser().do(w.browser().request(http.MethodGet, signed("/zoom_pkce/backend/zak",
				map[string]string{"user_id": "user-ada", "format": "text"})))
			if zak.StatusCode != http.StatusOK || strings.Count(zak.body, ".") != 2 || strings.ContainsAny(zak.body, "\n{") {
				t.Errorf("a token from a URL: got %d %s", zak.StatusCode, zak.body)
			}
			// As attendee posts a meeting.
			target := signed("/zoom_pkce/backend/bot", map[string]string{"user_id": "user-ada"})
			bot := w.post(strings.TrimPrefix(target, w.url),
				`{"bot_id":"bot_1","bot_metadata":{},"callback_type":"zoom_tokens","meeting_url":"https://zoom.us/j/123456789?pwd=a.1"}`,
				"Content-Type", "application/json").object(t)
			if bot["zak_token"] != zak.body || bot["onbehalf_token"] == "" {
				t.Errorf("tokens for a bot: got %v", bot)
			}
			missing := w.browser().do(w.browser().request(http.MethodGet, signed("/zoom_pkce/backend/token",
				map[string]string{"user_id": "K d+c/u=ä&_-~*"})))
			if missing.StatusCode != http.StatusNotFound {
				t.Errorf("a user id that has to be encoded: got %d, want 404: signed, and nobody's", missing.StatusCode)
			}
		})
	}
}
