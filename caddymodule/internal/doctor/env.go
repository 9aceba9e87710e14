package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// loadEnvFile adds the variables of a file to the environment, as Caddy's own
// commands do with --envfile: what is set already stays.
func loadEnvFile(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading environment file: %w", err)
	}
	variables, err := parseEnvFile(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("reading environment file %s: %w", name, err)
	}
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		if _, exists := os.LookupEnv(key); exists {
			continue
		}
		if err := os.Setenv(key, variables[key]); err != nil {
			return fmt.Errorf("setting %s from environment file %s: %w", key, name, err)
		}
	}
	// HOME and XDG_DATA_HOME say where Caddy keeps its data.
	caddy.ConfigAutosavePath = filepath.Join(caddy.AppConfigDir(), "autosave.json")
	caddy.DefaultStorage = &certmagic.FileStorage{Path: caddy.AppDataDir()}
	return nil
}

// parseEnvFile reads KEY=VALUE lines by the rules of Caddy's own commands
// (cmd/main.go of Caddy, parseEnvFile, which is not exported). Its errors name
// lines, never values.
func parseEnvFile(r io.Reader) (map[string]string, error) {
	variables := make(map[string]string)
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimPrefix(key, "export ")
		switch {
		case !ok || key == "":
			return nil, fmt.Errorf("line %d is not KEY=VALUE", number)
		case strings.Contains(key, " "):
			return nil, fmt.Errorf("line %d has a space in its key", number)
		case strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\t"):
			return nil, fmt.Errorf("line %d has white space before its value", number)
		}
		value, _, commented := strings.Cut(value, "#")
		if commented {
			value = strings.TrimRight(value, " \t")
		}
		if quote := value[:min(1, len(value))]; quote == `"` || quote == "'" {
			for !strings.HasSuffix(line, quote) || strings.HasSuffix(line, `\`+quote) {
				value = strings.ReplaceAll(value, `\`+quote, quote)
				if !lines.Scan() {
					break
				}
				number++
				line = strings.ReplaceAll(lines.Text(), `\`+quote, quote)
				value += "\n" + line
			}
			value = strings.TrimSuffix(strings.TrimPrefix(value, quote), quote)
		}
		variables[key] = value
	}
	return variables, lines.Err()
}
