package pages

import "github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"

// FrameScript is the script with which a page in a frame, or the page in the window that
// it opens, gets the frame signed in.
type FrameScript struct {
	file string
	// Endpoint is what it posts to.
	Endpoint string
	// Window is the address of the window, for the page in the frame.
	Window string
	// Key is the frame's, for the page in the window.
	Key string
}

// File is the file of the script.
func (s FrameScript) File() string { return s.file }

// FramedSignInPage asks a visitor inside a frame to sign in, in a window of
// its own: neither Zoom's sign-in page nor a SameSite=Lax cookie works in a
// frame. It has to be shown in the frame it is about, so it belongs to answers
// with FrameAnywhere; a foreign page around it gains a window of ours or Zoom's, no
// more. Where the frame has cookies of its own, the script fetches the sign-in
// from the window; without an endpoint there is none.
func FramedSignInPage(requestID, signInURL, retryURL string, script FrameScript) Page {
	p := ForCode(outcome.SignInRequired, Details{RequestID: requestID})
	p.Notes = []string{"Signing in opens a new window. When you are done there, come back and reload."}
	retry := "Reload"
	if script.Endpoint != "" {
		p.Notes = []string{"Signing in opens a new window. If nothing happens here when you are done there, press Continue."}
		retry, script.file = "Continue", "framed.js"
		p.Script = &script
	}
	p.Ways = []way{
		{Href: signInURL, Label: "Sign in with Zoom", NewWindow: true},
		{Href: retryURL, Label: retry},
	}
	return p
}

// FrameWindowPage asks in a window whether the frame that has opened it may be signed
// in, and names the origins of the pages around that frame: they could have the visitor
// press what is in it unseen.
func FrameWindowPage(requestID string, who Account, by []string, script FrameScript) Page {
	script.file = "window.js"
	return Page{
		Title:     "Sign in on another page?",
		Message:   "The page named here shows this site inside it. If you continue, you are signed in there, too.",
		Mark:      markKey,
		RequestID: requestID,
		Facts:     []fact{{Label: "Page", Values: by}, who.fact()},
		Notes:     []string{"If you do not know that page, or did not ask for this, close this window."},
		Ways: []way{
			{Label: "Continue", Press: true},
			{Href: "/", Label: "Stay here"},
		},
		Script: &script,
	}
}
