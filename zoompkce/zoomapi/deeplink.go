package zoomapi

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
)

const maxDeeplink = 4 << 10

// Deeplink asks for the address that opens the app in Zoom's client for the user
// of t. A browser can be sent there after an installation from the Marketplace
// (github.com/zoom/zoomapps-sample-js). The address is one of the scheme zoomus,
// or https at or below zoom.us or zoomgov.com; any other is a [KindNonsense], so
// that nobody who answers in Zoom's place sends visitors off to a site of theirs.
func (c *Client) Deeplink(ctx context.Context, t Token) (string, error) {
	var address string
	// The action is handed to the app, as AppContext.Action. This one is that of
	// Zoom's samples, less what only their app reads.
	const body = `{"action":"{\"url\":\"/\"}"}`
	err := c.post(ctx, CallDeeplink, t, "/v2/zoomapp/deeplink", body, func(a *answer) error {
		var wire struct {
			Deeplink json.RawMessage `json:"deeplink"`
		}
		if json.Unmarshal(a.body, &wire) != nil {
			return errNotJSON
		}
		if address = jsonText(wire.Deeplink); !isZoomAddress(address) {
			return malformed("deeplink")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return address, nil
}

func isZoomAddress(raw string) bool {
	if !visibleASCII(raw, maxDeeplink) {
		return false
	}
	// Browsers take a backslash for a slash (WHATWG URL), net/url does not: they
	// would disagree about the host.
	u, err := url.Parse(raw)
	if err != nil || strings.Contains(raw, `\`) || u.User != nil {
		return false
	}
	u.Host = strings.ToLower(u.Host)
	return u.Scheme == "zoomus" || zoomCloud(u) != ""
}
