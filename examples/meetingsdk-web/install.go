package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// sdkFile is there once the Meeting SDK is installed.
const sdkFile = "node_modules/@zoom/meetingsdk/dist/zoom-meeting-embedded-ES5.min.js"

// install fetches the Meeting SDK with npm, unless it is there. Zoom's terms of
// use come with it, so it is not part of this repository.
func install(ctx context.Context, dir string, out io.Writer) error {
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err != nil {
		return fmt.Errorf("looking for this example: %w; run it in the repository's root, or use -dir", err)
	}
	_, err := os.Stat(filepath.Join(dir, sdkFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("the Meeting SDK is not installed and there is no npm to do it: install Node.js, which brings npm")
	}
	fmt.Fprintf(out, "Installing the Meeting SDK: npm ci in %s\n", dir)
	// No package may run a script of its own; none needs to.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing the Meeting SDK with npm ci: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, sdkFile)); err != nil {
		return fmt.Errorf("npm ci did not bring the Meeting SDK: %w", err)
	}
	return nil
}
