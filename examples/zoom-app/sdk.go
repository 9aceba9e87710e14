package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// sdk holds Zoom's SDK as npm installs it.
type sdk struct {
	module  []byte // what the app's page imports
	classic []byte // in place of https://appssdk.zoom.us/sdk.min.js
}

// dist is where the SDK is, below the directory of this example.
var dist = filepath.Join("node_modules", "@zoom", "appssdk", "dist")

// install fetches the SDK with npm, unless it is there.
func install(ctx context.Context, dir string, out io.Writer) error {
	return demo.InstallNPM(ctx, "Zoom's SDK", dir, filepath.Join(dist, "sdk.module.js"), out)
}

func readSDK(dir string) (s sdk, err error) {
	if s.module, err = os.ReadFile(filepath.Join(dir, dist, "sdk.es.js")); err != nil {
		return s, fmt.Errorf("reading Zoom's SDK: %w", err)
	}
	common, err := os.ReadFile(filepath.Join(dir, dist, "sdk.module.js"))
	if err != nil {
		return s, fmt.Errorf("reading Zoom's SDK: %w", err)
	}
	s.classic = fmt.Appendf(nil, "(function (exports) {\n%s\nwindow.zoomSdk = exports.default;\n})({});\n", common)
	return s, nil
}
