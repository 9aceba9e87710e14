package main

import (
	"context"
	"io"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// sdkFile is there once the Meeting SDK is installed.
const sdkFile = "node_modules/@zoom/meetingsdk/dist/zoom-meeting-embedded-ES5.min.js"

// install fetches the Meeting SDK. Zoom's terms of use come with it.
func install(ctx context.Context, dir string, out io.Writer) error {
	return demo.InstallPackages(ctx, "the Meeting SDK", dir, sdkFile, out)
}
