package demo

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

// InstallNPM installs what package-lock.json in the directory of an example names,
// unless its file is there. What names the package in messages.
func InstallNPM(ctx context.Context, what, dir, file string, out io.Writer) error {
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err != nil {
		return fmt.Errorf("looking for this example: %w; run it in the repository's root, or use -dir", err)
	}
	_, err := os.Stat(filepath.Join(dir, file))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("%s is not installed and there is no npm to do it: install Node.js, which brings npm", what)
	}
	fmt.Fprintf(out, "Installing %s: npm ci in %s\n", what, dir)
	// No package may run a script of its own; none needs to.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing %s with npm ci: %w", what, err)
	}
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		return fmt.Errorf("npm ci did not bring %s: %w", what, err)
	}
	return nil
}
