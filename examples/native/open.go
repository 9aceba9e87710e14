package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
)

// showTo is a browser that opens by itself where it can.
func showTo(out io.Writer) browser {
	return func(ctx context.Context, address string) error {
		fmt.Fprintf(out, welcome, address)
		name, args := "xdg-open", []string{address}
		switch runtime.GOOS {
		case "darwin":
			name = "open"
		case "windows":
			name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
		}
		cmd := exec.CommandContext(ctx, name, args...)
		if cmd.Start() == nil {
			go func() { _ = cmd.Wait() }()
		}
		return nil
	}
}

const welcome = `
  Your browser opens. If not, open

  %s

  Sign in there and click Allow. Ctrl-C gives up.

`
