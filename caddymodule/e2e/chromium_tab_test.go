package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/testkit"
)

// browserPatience bounds one step in a browser.
const browserPatience = 30 * time.Second

// chromium is the one browser process of the tests.
type chromium struct{ ctx context.Context }

// startChromium starts the browser, or skips the test where there is none. Its own
// profile has the preferences given, in JSON.
func startChromium(t *testing.T, preferences ...string) *chromium {
	t.Helper()
	path, err := findChromium()
	if err != nil {
		testkit.Missing(t, err.Error())
	}
	profile := t.TempDir()
	for _, text := range preferences {
		if err := os.Mkdir(filepath.Join(profile, "Default"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(profile, "Default", "Preferences"), text)
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // it cannot run as root, as CI does
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // Caddy's internal authority
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)...)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		closing, giveUp := context.WithTimeout(ctx, browserPatience)
		defer giveUp()
		if err := chromedp.Cancel(closing); err != nil {
			t.Log("closing the browser:", err)
		}
		cancel()
		stop()
		// Its children may write for a moment longer, and TempDir does not wait.
		for range 100 {
			if os.RemoveAll(profile) == nil {
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("starting the browser: ", err)
	}
	return &chromium{ctx}
}

func findChromium() (string, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no browser: none of %s is there", strings.Join(names, ", "))
}

// person is somebody with a browser profile of their own: cookies are shared by
// their tabs and with nobody else.
type person struct {
	t   *testing.T
	ctx context.Context
}

func (c *chromium) person(t *testing.T) *person {
	t.Helper()
	return c.personIn(t, chromedp.WithNewBrowserContext())
}

// owner is the person whose profile is the browser's own.
func (c *chromium) owner(t *testing.T) *person {
	t.Helper()
	return c.personIn(t)
}

func (c *chromium) personIn(t *testing.T, profile ...chromedp.ContextOption) *person {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, profile...)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("opening a window: ", err)
	}
	return &person{t, ctx}
}

// tab is one tab of a person.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func (p *person) tab() *tab {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	b := &tab{p.t, ctx}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("a tab was at %s:\n%s", b.location(), b.text("body"))
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal("opening a tab: ", err)
	}
	return b
}

// do runs steps that need no answer.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do("opening "+url, chromedp.Navigate(url))
}

// click waits until there is something to click.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// wait waits until something can be seen.
func (b *tab) wait(selector string) {
	b.t.Helper()
	b.do("waiting for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// text is what can be read; it fails softly, since it is used for messages, too.
func (b *tab) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Errorf("reading %s: %v", selector, err)
	}
	return text
}

// location is the address, with its fragment.
func (b *tab) location() string {
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	location, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		b.t.Errorf("reading the address: %v", err)
	}
	return location
}

func (b *tab) wantLocation(want string) {
	b.t.Helper()
	if got := b.location(); got != want {
		b.t.Fatalf("the tab is at %s, want %s", got, want)
	}
}

// consentButton is on Zoom's page.
const consentButton = "button[value=allow]"

// allow lets the app in, on Zoom's page, and waits for the page given.
func (b *tab) allow(userID, then string) {
	b.t.Helper()
	b.click("input[value=" + userID + "]")
	b.click(consentButton)
	b.wait(then)
}
