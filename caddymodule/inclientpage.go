package caddymodule

import "net/http"

// inClient is the page that signs in inside the Zoom client.
type inClient struct {
	Title, Message string
	Mark           mark
	Script         string // the file of the script
	SDK            string // the URL of Zoom's
	Authorize      string // our endpoints
	Authorized     string
	Next           string // where to go on to, a path on this site
}

func (p inClient) write(w http.ResponseWriter, security securityOptions) {
	p.Title, p.Message, p.Mark = "Signing you in", "One moment, Zoom is asked who you are.", markKey
	p.Script = "inclient.js"
	if !isLocalPath(p.Next) {
		p.Next = "/"
	}
	security.script = p.SDK + " " + pageScripts[p.Script].source
	security.connect = "'self'"
	// Zoom's client renders nothing but answers of 200.
	writeHTML(w, http.StatusOK, "inclient.html", p, security)
}
