package caddymodule

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// FuzzCaddyfile checks that the parser panics on no input, and that whatever it
// accepts survives the way through JSON, which is what Caddy loads.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		f.Add(directiveTokens(f, file))
	}
	f.Add([]byte("zoom_pkce"))
	f.Add([]byte("zoom_pkce {\nzak {\nmatch `path('/a')`\n}\n}"))
	f.Add([]byte("zoom_pkce {\ncookie {"))

	f.Fuzz(func(t *testing.T, input []byte) {
		tokens, err := caddyfile.Tokenize(input, "Caddyfile")
		if err != nil {
			return
		}
		h := new(Handler)
		if err := h.unmarshalCaddyfile(httpcaddyfile.Helper{Dispenser: caddyfile.NewDispenser(tokens)}); err != nil {
			return
		}
		first, err := json.Marshal(h)
		if err != nil {
			t.Fatalf("accepted, but not writable: %v", err)
		}
		decoded := new(Handler)
		if err := caddy.StrictUnmarshalJSON(first, decoded); err != nil {
			t.Fatalf("%s does not load: %v", first, err)
		}
		second, err := json.Marshal(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Fatalf("%s became %s", first, second)
		}
		// Neither may any value that the parser accepts break the checks.
		_, _ = h.resolve(caddy.NewEmptyReplacer())
	})
}

// directiveTokens cuts the first zoom_pkce directive out of a golden file.
func directiveTokens(f *testing.F, file string) []byte {
	f.Helper()
	golden, _ := readGolden(f, file)
	input := []byte(golden)
	start := bytes.Index(input, []byte(directive))
	depth := 0
	for i, c := range input[start:] {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 && bytes.HasPrefix(input[start+i+1:], []byte("\n")) {
				return input[start : start+i+1]
			}
		}
	}
	return input[start:]
}
