package doctor

import (
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Command is `caddy zoom-pkce`, for configurations of module.
func Command(module Module) caddycmd.Command {
	return caddycmd.Command{
		Name:  "zoom-pkce",
		Usage: "<doctor|keygen>",
		Short: "Checks the Zoom sign-in of a configuration, makes secrets and keys",
		Long: `
Tools for operators of sites with the zoom_pkce directive.

doctor loads a configuration as 'caddy validate' does, without starting it, and
checks what a sign-in depends on. keygen prints a fresh secret for the option
'cookie secret', or a key for the option 'client_key'.`,
		CobraFunc: func(cmd *cobra.Command) { addCommands(cmd, module) },
	}
}

func addCommands(cmd *cobra.Command, module Module) {
	d := doctor{module: module}
	examine := &cobra.Command{
		Use:   "doctor [--config <path> [--adapter <name>]] [--envfile <path>] [--json]",
		Short: "Checks everything a sign-in at Zoom depends on",
		Long: `
Loads the configuration without starting it and checks, for every Zoom app in
it: which redirect URIs have to be registered, which scopes the chosen features
need, whether Zoom accepts the credentials, whether the session store can be
written, whether the secrets are strong, and whether the clock is right.

Run it as the user that Caddy runs as and with the environment that Caddy has:
the answers depend on both. It can run beside a running Caddy. It prints no
secret, sends Zoom nothing but a made-up code, and ends with exit code 1 if
anything fails.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			return d.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	examine.Flags().StringVarP(&d.config, "config", "c", "", "Configuration file (default: the Caddyfile of this directory)")
	examine.Flags().StringVarP(&d.adapter, "adapter", "a", "", "Name of config adapter to apply")
	examine.Flags().StringSliceVarP(&d.envFiles, "envfile", "", nil, "Environment file(s) to load")
	examine.Flags().BoolVarP(&d.json, "json", "", false, "Print the findings as JSON")

	var clientKey bool
	keys := &cobra.Command{
		Use:   "keygen [--client-key]",
		Short: "Prints a fresh secret, or a client key",
		Long: `
Prints 32 random bytes in 43 characters: a secret for the option 'cookie
secret' or 'backend secret', which all Caddys of a site share. Each option needs
one of its own.

With --client-key it prints a private key (P-256) for the option 'client_key',
to be kept in a file that only Caddy can read, and after it the public key to
register at Zoom, a JWK on one line, under App Credentials in the place of the
client secret. The JWK's kid is the key id that may follow the key:

    client_key {file./etc/caddy/zoom.pem} <kid>`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clientKey {
				return clientKeygen(cmd.OutOrStdout())
			}
			return keygen(cmd.OutOrStdout())
		},
	}
	keys.Flags().BoolVarP(&clientKey, "client-key", "", false, "Print a private key and the JWK to register at Zoom")
	cmd.AddCommand(examine, keys)

	// Of its own accord cobra answers a misspelled subcommand with the help and
	// exit code 0, which scripts take for a check that found nothing.
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("%w; did you mean %q?", err, near[0])
		}
		return err
	}
	cmd.Run = func(cmd *cobra.Command, _ []string) { _ = cmd.Help() }
}
