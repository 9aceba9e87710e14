package main

import (
	"fmt"
	"io"
	"os"

	"github.com/zoompkce/caddy-zoom-pkce/examples/internal/demo"
)

// nodeCaddyfile is what both Caddys are configured with. Only the port differs,
// and the header by which the app knows them apart. They keep to themselves what
// they think of a Redis that was killed.
func nodeCaddyfile(name, addr, url, zoomURL, redisAddr, appAddr, dir string) string {
	return demo.GlobalOptions(dir, "http") + fmt.Sprintf(`http://:%s {
	bind 127.0.0.1
	zoom_pkce {
		client_id %s
		client_secret %s
		redirect_uri %s/zoom_pkce/callback
		oauth_url %s
		session {
			store redis redis://%s
			sync_interval 2s
		}
	}
	reverse_proxy %s {
		header_up X-Caddy %q
	}
}
`, demo.PortOf(addr), clientID, clientSecret, url, zoomURL, redisAddr, appAddr, name)
}

// balancerCaddyfile takes turns, and passes over a Caddy that does not answer.
// It knows nothing of sessions.
func balancerCaddyfile(port, dir string, nodes []string) string {
	return demo.GlobalOptions(dir, "http") + fmt.Sprintf(`http://:%s {
	bind 127.0.0.1
	reverse_proxy %s %s {
		lb_policy round_robin
		lb_try_duration 5s
		fail_duration 3s
	}
}
`, port, nodes[0], nodes[1])
}

// nodeConfig is the environment variable that makes a process of this program
// one of the two Caddys. It names the Caddyfile.
const nodeConfig = "ZOOM_PKCE_CLUSTER_NODE"

// runNode is a Caddy until its parent process is gone.
func runNode(file string, parent io.Reader) error {
	caddyfile, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := demo.StartCaddy(string(caddyfile)); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, parent)
	return demo.StopCaddy()
}
