package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demotest"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomtest"
)

// joinURL is where the SDK's component view asks Zoom to let it in.
const joinURL = "https://zoom.us/api/v1/wc/info"

// watchJoins keeps the options with which a page calls the SDK's join, and calls
// it.
const watchJoins = `
window.joins = [];
let sdk;
Object.defineProperty(window, "ZoomMtgEmbedded", {
  configurable: true,
  get: () => sdk,
  set(value) {
    sdk = value;
    const create = value.createClient;
    value.createClient = (...args) => {
      const client = create(...args), join = client.join;
      client.join = (options) => (window.joins.push(options), join.call(client, options));
      return client;
    };
  },
});`

// TestTheSDKJoinsAsItsVisitor cuts nothing off but Zoom's network: the page, the
// SDK and everything they ask this server for are real.
func TestTheSDKJoinsAsItsVisitor(t *testing.T) {
	r := startInstalled(t)
	declared := joinOptions(t)
	c := startChromium(t)
	c.onEveryPage(watchJoins)
	c.do("signing in", chromedp.Navigate(r.url),
		chromedp.Click(chromedp.CSS(`input[value="aDa1815"]`)),
		chromedp.Click(chromedp.CSS(`button[value="allow"]`)),
		chromedp.WaitVisible(chromedp.CSS("#who")))
	if got := c.text("#name") + " " + c.text("#email"); got != "Ada Lovelace ada@example.com" {
		t.Errorf("the page says %q is signed in", got)
	}
	if n := r.zoom.Count(zoomtest.CallZAK); n != 0 {
		t.Errorf("%d ZAKs were fetched before one was needed", n)
	}
	for _, tt := range []struct {
		how, name, token string
		role             float64
		sent             string // what the SDK calls the ZAK then
	}{
		{"join", "Ada Lovelace", "zak", 0, "ztk"},
		{"start", "Ada Lovelace", "zak", 1, "zsk"},
		// The SDK sends an OBF token only once Zoom has answered.
		{"send", "Assistant of Ada Lovelace", "obfToken", 0, ""},
	} {
		t.Run(tt.how, func(t *testing.T) {
			c := &chromium{t, c.ctx, c.outgoing}
			begun := r.zoom.Now()
			c.do("joining", chromedp.Navigate(r.url), chromedp.WaitVisible(chromedp.CSS("#who")),
				chromedp.Click(chromedp.CSS(`[value="`+tt.how+`"]`)),
				chromedp.SendKeys(chromedp.CSS(`[name="meeting"]`), "123 4567 8901"),
				chromedp.SendKeys(chromedp.CSS(`[name="passcode"]`), "sesame"),
				chromedp.Click(chromedp.CSS("button.main")))
			sent := c.wanted(joinURL).form

			joins, err := chromedp.Run(c.ctx, chromedp.Evaluate[[]map[string]string]("window.joins"))
			if err != nil || len(joins) != 1 {
				t.Fatalf("the SDK's join was called %d times: %v", len(joins), err)
			}
			options := joins[0]
			for name := range options {
				if !declared[name] {
					t.Errorf("the SDK's join knows no option %q", name)
				}
			}
			want := map[string]string{
				"signature": options["signature"], "meetingNumber": "12345678901", "password": "sesame",
				"userName": tt.name, tt.token: options[tt.token],
			}
			if !maps.Equal(options, want) {
				t.Errorf("join was called with %v, want %v", options, want)
			}
			checkSignature(t, options["signature"], tt.role)
			if tt.token == "zak" {
				user, fetched, ok := r.zoom.ValidateZAK(options["zak"])
				if age := begun.Sub(fetched); !ok || user != "aDa1815" || age > time.Minute {
					t.Errorf("a ZAK of %q, fetched %s before it was needed", user, age)
				}
			} else if user, meeting, ok := r.zoom.ValidateOBF(options["obfToken"]); !ok || user != "aDa1815" || meeting != "12345678901" {
				t.Errorf("an OBF token of %q for %q", user, meeting)
			}

			// What the SDK made of it.
			wantSent := map[string]string{
				"signature": options["signature"], "apiKey": clientID, "meetingNumber": "12345678901",
				"passWord": "sesame", "userName": tt.name, "ztk": "", "zsk": "",
			}
			wantSent[tt.sent] = options["zak"]
			for name, want := range wantSent {
				if got := sent.Get(name); got != want {
					t.Errorf("the SDK sent %s %q, want %q", name, got, want)
				}
			}
			c.do("waiting for the outcome", chromedp.WaitVisible(chromedp.CSS("#trouble")))
			if got := c.text("#trouble"); !strings.Contains(got, "(-3000)") {
				t.Errorf("the page says %q, want the SDK's code for no connection", got)
			}

			// The SDK shows a dialog of its own, so this is no click of a mouse.
			c.do("trying again", chromedp.Evaluate[chromedp.Void](`document.querySelector("button.main").click()`))
			if again := c.wanted(joinURL).form; again.Get("meetingNumber") != "12345678901" {
				t.Errorf("the second time the SDK sent %v", again)
			}
		})
	}
}

// checkSignature verifies a signature as Zoom does.
func checkSignature(t *testing.T, signature string, role float64) {
	t.Helper()
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuedAt(), jwt.WithExpirationRequired()).
		ParseWithClaims(signature, claims, func(*jwt.Token) (any, error) { return []byte(clientSecret), nil })
	if err != nil || claims["appKey"] != clientID || claims["mn"] != "12345678901" || claims["role"] != role {
		t.Errorf("the signature is not good for this meeting in role %v: %v %v", role, claims, err)
	}
}

// joinOptions are the options of join that this version of the SDK declares and
// does not deprecate.
func joinOptions(t *testing.T) map[string]bool {
	t.Helper()
	types, err := os.ReadFile("node_modules/@zoom/meetingsdk/embedded.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(types), "export interface JoinOptions {")
	body, _, found := strings.Cut(rest, "\n}")
	if !found {
		t.Fatal("the SDK declares no JoinOptions")
	}
	declared := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?s)/\*\*(.*?)\*/\s*(\w+)\??:`).FindAllStringSubmatch(body, -1) {
		if !strings.Contains(m[1], "@deprecated") {
			declared[m[2]] = true
		}
	}
	if !declared["signature"] || declared["sdkKey"] {
		t.Fatalf("options of join: %v", declared)
	}
	return declared
}

// startInstalled starts the demo with the Meeting SDK in place.
func startInstalled(t *testing.T) *rig {
	t.Helper()
	var out strings.Builder
	if err := install(t.Context(), ".", &out); err != nil {
		demotest.Missing(t, err.Error()+"\n"+out.String())
	}
	r := start(t)
	if _, err := os.Stat(filepath.Join(".", sdkFile)); err != nil {
		t.Fatal(err)
	}
	return r
}
