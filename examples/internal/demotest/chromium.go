package demotest

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Chromium starts a browser that finds nobody but 127.0.0.1. The context is that
// of its one tab.
func Chromium(t *testing.T) context.Context {
	t.Helper()
	path := findChromium(t)
	profile := t.TempDir()
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // it cannot run as root, as CI does
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)...)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		closing, giveUp := context.WithTimeout(ctx, 30*time.Second)
		defer giveUp()
		if err := chromedp.Cancel(closing); err != nil {
			t.Log("closing the browser:", err)
		}
		leave()
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
	return ctx
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "there is no Chromium")
	return ""
}
