package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sdk holds Zoom's SDK as npm installs it.
type sdk struct {
	module  []byte // what the app's page imports
	classic []byte // in place of https://appssdk.zoom.us/sdk.min.js
}

// findSDK reads the SDK, from wherever in the repository this runs.
func findSDK() (sdk, error) {
	for _, dir := range []string{".", "examples/zoom-app"} {
		s, err := readSDK(dir)
		if !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	return sdk{}, errors.New("@zoom/appssdk is not installed; run `npm install` in examples/zoom-app")
}

func readSDK(dir string) (s sdk, err error) {
	dist := filepath.Join(dir, "node_modules", "@zoom", "appssdk", "dist")
	if s.module, err = os.ReadFile(filepath.Join(dist, "sdk.es.js")); err != nil {
		return s, fmt.Errorf("reading Zoom's SDK: %w", err)
	}
	common, err := os.ReadFile(filepath.Join(dist, "sdk.module.js"))
	if err != nil {
		return s, fmt.Errorf("reading Zoom's SDK: %w", err)
	}
	s.classic = fmt.Appendf(nil, "(function (exports) {\n%s\nwindow.zoomSdk = exports.default;\n})({});\n", common)
	return s, nil
}
