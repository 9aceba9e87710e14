package caddymodule

import (
	"net/http"
	"strings"
)

// inClient is the page that signs in inside the Zoom client.
type inClient struct {
	Title, Message string
	Mark           mark
	Script         string // the file of the script
	SDK            string // the URL of Zoom's
	Authorize      string // our endpoints
	Authorized     string
	Registered     string // redirect URIs of the app, separated by spaces
	Next           string // where to go on to; default: the address of the page
	Wait           bool   // for a click
}

// zoomSDK is the one foreign script a page of ours loads: it is the way to
// talk to the Zoom client. It has no integrity hash, because Zoom changes it
// to fit new clients (github.com/zoom/appssdk, README). Zoom for Government
// publishes none of its own.
const zoomSDK = "https://appssdk.zoom.us/sdk.min.js"

func (p inClient) write(w http.ResponseWriter, security securityOptions) {
	p.Title, p.Message, p.Mark = "Signing you in", "One moment, Zoom is asked who you are.", markKey
	if p.Wait {
		p.Title, p.Message = "Sign in to continue", codeSignInRequired.outcome().detail
	}
	p.Script, p.SDK = "inclient.js", zoomSDK
	if !isSafeLink(p.Next) {
		p.Next = ""
	}
	security.script = p.SDK + " " + pageScripts[p.Script].source
	security.connect = "'self'"
	// What Zoom's client makes of pages with other statuses is not documented.
	writeHTML(w, http.StatusOK, "inclient.html", p, security)
}

// serveInClientSignIn answers a page load inside the Zoom client with a page
// that signs in there, so that the app's own page needs to know nothing of it.
func (s *site) serveInClientSignIn(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if s.sendHome(w, r, v) {
		return nil
	}
	if looping, cookie := s.countLoop(v); looping {
		return s.refuseLogin(w, r, refusal{code: codeTooManyLogins})
	} else if cookie != nil {
		http.SetCookie(w, cookie)
	}
	return s.signInInside(w, r, "")
}

// signInInside shows the page that signs in inside the Zoom client and goes on
// to next, by default to the page that was asked for.
func (s *site) signInInside(w http.ResponseWriter, r *http.Request, next string) error {
	metrics.count(decisionLogin)
	page := inClient{
		Authorize:  s.pathPrefix + "/app/authorize",
		Authorized: s.pathPrefix + "/app/onauthorized",
		Registered: strings.Join(s.zoomApp.callingPages(), " "),
		Next:       next,
		Wait:       s.unauthenticated == showSignInPage,
	}
	page.write(w, s.pageSecurity(w, r))
	return nil
}

// callingPages are the pages that may call zoomSdk.authorize, those first that
// are meant for it: the others are callbacks of the browser flow.
func (z *zoomAppSettings) callingPages() []string {
	further := z.redirectURIs[z.own:]
	return append(append(make([]string, 0, len(z.redirectURIs)), further...), z.redirectURIs[:z.own]...)
}
