package caddymodule

import (
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// errorDetails are what the page for a code can tell and offer. Empty fields
// are left out of the page.
type errorDetails struct {
	requestID string
	// signInURL starts a login that leads back to where the visitor wanted to
	// go; retryURL is that place itself.
	signInURL string
	retryURL  string
	// scopes are the names of the scopes that are missing.
	scopes []string
	// redirectURI is for the operator of a site that Zoom rejects.
	redirectURI string
	// unopenable says that a stored record is the trouble, which does not pass.
	unopenable bool
}

// errorPage is the page for a code of the table. The 403 of a visitor who is
// signed in has a page of its own, see notAllowedPage.
func errorPage(c outcome.Code, d errorDetails) page {
	p := page{Title: c.Title(), Message: c.Detail(), Mark: markAlert, RequestID: d.requestID, Code: c}
	signIn := func(label string) { p.Ways = append(p.Ways, way{Href: d.signInURL, Label: label}) }
	retry := func(label string) { p.Ways = append(p.Ways, way{Href: d.retryURL, Label: label}) }

	switch c {
	case outcome.SignInRequired:
		p.Mark = markKey
		signIn("Sign in with Zoom")
	case outcome.NotAllowed:
		p.Mark = markStop
		signIn("Sign in with another account")
	case outcome.Declined:
		p.Notes = []string{"If you chose this by mistake, sign in again and allow access. " +
			"If your organization must approve the app first, ask your Zoom administrator."}
		signIn("Sign in again")
	case outcome.BadCallback, outcome.LoginExpired:
		p.Mark = markWait
		signIn("Sign in again")
	case outcome.CookiesMissing:
		p.Notes = []string{"This usually means one of these:"}
		p.List = []string{
			"Cookies are turned off or blocked for this site.",
			"The sign-in was started in another browser, app or private window.",
			"An extension or privacy setting removes cookies.",
		}
		signIn("Sign in again")
	case outcome.TooManyLogins:
		p.Mark = markWait
		p.Notes = []string{"To stop this from going on for ever, signing in has been paused. Likely causes:"}
		p.List = []string{
			"Your browser blocks or deletes cookies of this site.",
			"You opened the site with http:// although it is served over https://.",
			"The site runs on several Caddy servers that do not share their storage.",
		}
		signIn("Try again")
	case outcome.CodeRefused:
		signIn("Sign in again")
	case outcome.ZoomMisconfigured:
		p.Facts = []fact{{Label: "Redirect URI to register at Zoom", Values: []string{d.redirectURI}, Code: true}}
		signIn("Try again")
	case outcome.MissingScope:
		p.Facts = []fact{{Label: "Missing scopes", Values: d.scopes, Code: true}}
		p.Notes = []string{"Once the operator has added it to the app in the Zoom App Marketplace, sign in again."}
		signIn("Sign in again")
	case outcome.ZoomNonsense:
		signIn("Try again")
	case outcome.ZoomUnavailable, outcome.ZoomRateLimited, outcome.ZAKUnavailable, outcome.StoreUnavailable:
		if d.unopenable {
			p.Message = "This site cannot open your stored sign-in with the secrets it has."
			p.Notes = []string{"Only its operator can put that right."}
			retry("Try again")
			break
		}
		p.Mark = markWait
		p.Notes = []string{"Please try again in a moment."}
		retry("Try again")
	default:
		retry("Go to the start page")
	}
	return p
}

// signInPage asks a visitor to sign in.
func signInPage(requestID, signInURL string) page {
	return errorPage(outcome.SignInRequired, errorDetails{requestID: requestID, signInURL: signInURL})
}

// framedSignInPage asks a visitor inside a frame to sign in, in a window of
// its own: neither Zoom's sign-in page nor a SameSite=Lax cookie works in a
// frame. It has to be shown in the frame it is about, so it belongs to answers
// with frameAnywhere; a foreign page around it gains a link to Zoom, no more.
func framedSignInPage(requestID, signInURL, retryURL string) page {
	p := signInPage(requestID, "")
	p.Notes = []string{"Signing in opens a new window. When you are done there, come back and reload."}
	p.Ways = []way{
		{Href: signInURL, Label: "Sign in with Zoom", NewWindow: true},
		{Href: retryURL, Label: "Reload"},
	}
	return p
}

// account is who is signed in, as far as Zoom has told.
type account struct {
	name, email, userID string
}

// notAllowedPage tells visitors that their account has no access. Zoom keeps
// its own sign-in, so they have to sign out there before Zoom lets them choose
// another account.
func notAllowedPage(requestID string, who account, zoomSignOutURL, signInURL string) page {
	p := errorPage(outcome.NotAllowed, errorDetails{requestID: requestID})
	p.Facts = []fact{{Label: "Signed in as", Values: []string{who.name, who.email}}}
	if who.name == "" && who.email == "" {
		p.Facts[0].Values = []string{who.userID}
		p.Facts[0].Code = true
	}
	p.Notes = []string{"To use another account, first sign out at Zoom, then come back and sign in again."}
	p.Ways = []way{
		{Href: zoomSignOutURL, Label: "Sign out at Zoom", NewWindow: true},
		{Href: signInURL, Label: "Sign in again"},
	}
	return p
}

// signOutPage asks before signing out: a link alone, which any site can make a
// browser follow, must not do it.
func signOutPage(requestID string, who account, signOutURL, backURL string) page {
	return page{
		Title:     "Sign out?",
		Message:   "You will need to sign in with Zoom again to use this site.",
		Mark:      markKey,
		Facts:     []fact{{Label: "Signed in as", Values: []string{who.name, who.email}}},
		Form:      way{Href: signOutURL, Label: "Sign out"},
		Ways:      []way{{Href: backURL, Label: "Stay signed in"}},
		RequestID: requestID,
	}
}

// signedOutPage is where signing out ends. It does not start a login.
func signedOutPage(requestID, signInURL, zoomSignOutURL string) page {
	return page{
		Title:   "You are signed out",
		Message: "This browser is no longer signed in to this site.",
		Mark:    markDone,
		Notes: []string{"Zoom itself keeps you signed in, so signing in again may not ask for a password. " +
			"On a shared computer, sign out at Zoom as well."},
		Ways: []way{
			{Href: signInURL, Label: "Sign in again"},
			{Href: zoomSignOutURL, Label: "Sign out at Zoom"},
		},
		RequestID: requestID,
	}
}

// keepFragmentHop hands the fragment of the page that the visitor opened on to
// next, the login, whose query it completes.
func keepFragmentHop(next string) hop {
	return hop{
		Title: "Signing you in", Message: "One moment, you are on your way to Zoom.",
		Script: "keep.js", Next: next,
	}
}
