// Package doctor is the command `caddy zoom-pkce`: it examines a configuration that is
// loaded and not running, and makes secrets. What a handler is it is told; it changes
// nothing but a record of its own in the session store.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// doctor is one run of the command `caddy zoom-pkce doctor`.
type doctor struct {
	module   Module
	config   string
	adapter  string
	envFiles []string
	json     bool
}

// verdict is how a check ended.
type verdict string

const (
	verdictOK      verdict = "ok"
	verdictWarn    verdict = "warn"    // works, and should be changed
	verdictSkipped verdict = "skipped" // could not be checked
	verdictFail    verdict = "fail"    // does not work
)

// finding is the outcome of one check. No field ever holds a secret.
type finding struct {
	// The Zoom app that was checked, empty for what concerns all.
	ClientID string `json:"client_id,omitempty"`
	// What was checked: configuration, protected, redirect_uris, endpoints, programs,
	// scopes, credentials, client_key, clock, storage, secrets or logs.
	Check string `json:"check"`
	// How it ended: ok, warn, skipped or fail.
	Status verdict `json:"status"`
	// What was found.
	Message string `json:"message"`
	// What to do about it.
	Advice string `json:"advice,omitempty"`
	// The URIs or the key to register at Zoom, the scopes the Zoom app needs, the
	// paths that are protected, or what else the message is about.
	Values []string `json:"values,omitempty"`
}

// diagnosis is all that was found.
type diagnosis struct {
	// Whether nothing failed.
	OK bool `json:"ok"`
	// The operating system's user that the checks ran as.
	User string `json:"user"`
	// The outcome of every check.
	Checks []finding `json:"checks"`
}

func (d *diagnosis) add(findings ...finding) { d.Checks = append(d.Checks, findings...) }

// errUnhealthy makes the exit code 1. All there is to say was printed.
var errUnhealthy = errors.New("a check failed")

// run checks and prints.
func (d *doctor) run(ctx context.Context, w io.Writer) error {
	found := d.diagnose(ctx)
	var err error
	if d.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(found)
	} else {
		err = found.print(w)
	}
	if err == nil && !found.OK {
		err = errUnhealthy
	}
	return err
}

// diagnose checks the configuration and every Zoom app in it.
func (d *doctor) diagnose(ctx context.Context) (found diagnosis) {
	found.User = osUser()
	defer func() {
		found.OK = !slices.ContainsFunc(found.Checks, func(f finding) bool { return f.Status == verdictFail })
	}()
	loaded, err := d.load()
	if err != nil {
		found.add(configurationFinding(err))
		return found
	}
	defer loaded.unload()
	found.add(loaded.summary(), loaded.literalSecrets(), loaded.logs())
	for _, sites := range loaded.apps {
		probe := probeZoom(ctx, sites)
		found.add(probe.credentials)
		found.add(clientKeyFindings(sites[0])...)
		found.add(probe.clock, redirectURIFinding(sites, probe))
		found.add(d.strayFindings(loaded.http, sites)...)
		found.add(protectionFindings(sites)...)
		found.add(d.backendFindings(loaded.http, sites)...)
		found.add(d.programFindings(loaded.http, sites)...)
		storage := storageFinding(ctx, sites[0])
		found.add(scopeFinding(sites, probe), storage, secretFinding(sites))
		found.add(recordFindings(ctx, sites[0], storage)...)
	}
	return found
}

// configurationFinding is the one finding of a configuration that does not load.
func configurationFinding(err error) finding {
	f := finding{
		Check: "configuration", Status: verdictFail, Message: oneLine(err.Error()),
		Advice: "fix this first, nothing else could be checked",
	}
	if errors.As(err, new(*clashError)) {
		f.Advice += "; `caddy validate` cannot see it, Caddy refuses it when it starts"
	}
	if unsetVariable.MatchString(f.Message) {
		f.Advice += "; if Caddy's service has the variable from a file, name it with --envfile"
	}
	return f
}

// unsetVariable matches what the errors about empty variables have in common:
// Caddy joins errors as text on the way from a module.
var unsetVariable = regexp.MustCompile(`placeholder \{env\.[^{}]+\} is empty|\{\$NAME\}`)

// print writes a line for each check.
func (d *diagnosis) print(w io.Writer) error {
	var b strings.Builder
	app := ""
	for _, f := range d.Checks {
		if f.ClientID != app {
			app = f.ClientID
			fmt.Fprintf(&b, "\nZoom app %s\n", app)
		}
		line := f.Message
		if len(f.Values) > 0 {
			line += ": " + strings.Join(f.Values, " ")
		}
		if f.Advice != "" {
			line += " -> " + f.Advice
		}
		fmt.Fprintf(&b, "%-7s  %-13s  %s\n", f.Status, f.Check, line)
	}
	end := "nothing failed"
	if !d.OK {
		end = "something failed"
	}
	fmt.Fprintf(&b, "\n%s (checked as %s)\n", end, d.User)
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine keeps joined errors on the line of their check.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }), "; ")
}
