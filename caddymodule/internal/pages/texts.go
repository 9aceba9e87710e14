package pages

import (
	"cmp"
	"html/template"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/outcome"
)

// Details are what the page for a code can tell and offer. Empty fields
// are left out of the page.
type Details struct {
	RequestID string
	// SignInURL starts a login that leads back to where the visitor wanted to
	// go; RetryURL is that place itself.
	SignInURL string
	RetryURL  string
	// Scopes are the names of the scopes that are missing.
	Scopes []string
	// Credentials are the names of the options that prove to Zoom which app this is,
	// and RedirectURI is what is registered there: for the operator of a site that
	// Zoom rejects.
	Credentials []string
	RedirectURI string
	// Unopenable says that a stored record is the trouble, which does not pass.
	Unopenable bool
}

// layout is what the page for a code has beside heading and sentence: a drawing, that
// of an alert by default, and one way on.
type layout struct {
	mark        mark
	notes, list []string
	signIn      string // label of the way to sign in
	retry       string // label of the way to where the visitor wanted to go
}

var layouts = map[outcome.Code]layout{
	outcome.SignInRequired: {mark: markKey, signIn: "Sign in with Zoom"},
	outcome.NotAllowed:     {mark: markStop, signIn: "Sign in with another account"},
	outcome.Declined: {
		notes: []string{"If you chose this by mistake, sign in again and allow access. " +
			"If your organization must approve the app first, ask your Zoom administrator."},
		signIn: "Sign in again",
	},
	outcome.BadCallback:  {mark: markWait, signIn: "Sign in again"},
	outcome.LoginExpired: {mark: markWait, signIn: "Sign in again"},
	outcome.CookiesMissing: {
		notes: []string{"This usually means one of these:"},
		list: []string{
			"Cookies are turned off or blocked for this site.",
			"The sign-in was started in another browser, app or private window.",
			"An extension or privacy setting removes cookies.",
		},
		signIn: "Sign in again",
	},
	outcome.TooManyLogins: {
		mark:  markWait,
		notes: []string{"To stop this from going on for ever, signing in has been paused. Likely causes:"},
		list: []string{
			"Your browser blocks or deletes cookies of this site.",
			"You opened the site with http:// although it is served over https://.",
			"The site runs on several Caddy servers that do not share their storage.",
		},
		signIn: "Try again",
	},
	outcome.BadClient: {
		notes: []string{"In the program, remove this site and add it again. Nothing was sent to the program."},
		retry: "Go to the start page",
	},
	outcome.CodeRefused:       {signIn: "Sign in again"},
	outcome.ZoomMisconfigured: {signIn: "Try again"},
	outcome.MissingScope: {
		notes:  []string{"Once the operator has added it to the app in the Zoom App Marketplace, sign in again."},
		signIn: "Sign in again",
	},
	outcome.ZoomNonsense:     {signIn: "Try again"},
	outcome.ZoomUnavailable:  passing,
	outcome.ZoomRateLimited:  passing,
	outcome.ZAKUnavailable:   passing,
	outcome.StoreUnavailable: passing,
}

var (
	passing    = layout{mark: markWait, notes: []string{"Please try again in a moment."}, retry: "Try again"}
	lasting    = layout{notes: []string{"Only its operator can put that right."}, retry: "Try again"}
	nothingFor = layout{retry: "Go to the start page"}
)

// ForCode is the page for a code of the table. The 403 of a visitor who is
// signed in has a page of its own, see NotAllowedPage.
func ForCode(c outcome.Code, d Details) Page {
	p := Page{Title: c.Title(), Message: c.Detail(), RequestID: d.RequestID, Code: c}
	l, ok := layouts[c]
	if !ok {
		l = nothingFor
	}
	switch {
	case c == outcome.ZoomMisconfigured:
		p.Facts = []fact{
			{Label: "Credentials to compare with those of the app at Zoom", Values: d.Credentials, Code: true},
			{Label: "Redirect URI to register at Zoom", Values: []string{d.RedirectURI}, Code: true},
		}
	case c == outcome.MissingScope:
		p.Facts = []fact{{Label: "Missing scopes", Values: d.Scopes, Code: true}}
	case d.Unopenable:
		p.Message, l = "This site cannot open your stored sign-in with the secrets it has.", lasting
	}
	p.Mark, p.Notes, p.List = cmp.Or(l.mark, markAlert), l.notes, l.list
	if l.signIn != "" {
		p.Ways = []way{{Href: d.SignInURL, Label: l.signIn}}
	} else {
		p.Ways = []way{{Href: d.RetryURL, Label: l.retry}}
	}
	return p
}

// signInPage asks a visitor to sign in.
func signInPage(requestID, signInURL string) Page {
	return ForCode(outcome.SignInRequired, Details{RequestID: requestID, SignInURL: signInURL})
}

// UnsavedFormPage tells a visitor who sent a form without a session that nothing has
// come of it. The tab keeps what was filled in, so signing in happens in another one.
func UnsavedFormPage(requestID, signInURL string) Page {
	p := signInPage(requestID, "")
	p.Title = "Your session is over"
	p.Message = "What you sent was not saved."
	p.Mark = markWait
	p.Notes = []string{"Sign in in a new tab. Then come back to this one and reload it, or go back to the form: " +
		"your browser can send what you filled in once more."}
	p.Ways = []way{{Href: signInURL, Label: "Sign in with Zoom", NewWindow: true}}
	return p
}

// Account is who is signed in, as far as Zoom has told.
type Account struct {
	Name, Email, UserID string
}

func (a Account) fact() fact {
	if a.Name == "" && a.Email == "" {
		return fact{Label: "Signed in as", Values: []string{a.UserID}, Code: true}
	}
	return fact{Label: "Signed in as", Values: []string{a.Name, a.Email}}
}

// NotAllowedPage tells visitors that their account has no access. Zoom keeps
// its own sign-in, so they have to sign out there before Zoom lets them choose
// another account.
func NotAllowedPage(requestID string, who Account, zoomSignOutURL, signInURL string) Page {
	p := ForCode(outcome.NotAllowed, Details{RequestID: requestID})
	p.Facts = []fact{who.fact()}
	p.Notes = []string{"To use another account, first sign out at Zoom, then come back and sign in again."}
	p.Ways = []way{
		{Href: zoomSignOutURL, Label: "Sign out at Zoom", NewWindow: true},
		{Href: signInURL, Label: "Sign in again"},
	}
	return p
}

// SignOutPage asks before signing out: a link alone, which any site can make a
// browser follow, must not do it.
func SignOutPage(requestID string, who Account, signOutURL, backURL string) Page {
	return Page{
		Title:     "Sign out?",
		Message:   "You will need to sign in with Zoom again to use this site.",
		Mark:      markKey,
		Facts:     []fact{{Label: "Signed in as", Values: []string{who.Name, who.Email}}},
		Form:      way{Href: signOutURL, Label: "Sign out"},
		Ways:      []way{{Href: backURL, Label: "Stay signed in"}},
		RequestID: requestID,
	}
}

// WithDisconnect adds a second button to a page of SignOutPage, for a site that acts
// for people who are not there.
func (p Page) WithDisconnect() Page {
	p.Notes = append(p.Notes, "Programs you have allowed, and this site itself, may go on using your Zoom account when you have signed out here. "+
		"Disconnecting ends that, and signs you out on all your devices.")
	p.Other = parameter{Name: "disconnect", Label: "Disconnect from Zoom"}
	return p
}

// SignedOutPage is where signing out ends. It does not start a login.
func SignedOutPage(requestID, signInURL, zoomSignOutURL string) Page {
	return Page{
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

// ManyProgramsPage tells a visitor that what a program says about itself is not read now:
// nothing is wrong with the program.
func ManyProgramsPage(retryURL string) Page {
	p := ForCode(outcome.TooManyLogins, Details{})
	p.Title, p.Message = "Too many programs at a time", "This site is busy reading what programs say about themselves."
	p.Notes, p.List, p.Ways = passing.notes, nil, []way{{Href: retryURL, Label: passing.retry}}
	return p
}

// KeepFragmentHop hands the fragment of the page that the visitor opened on to
// next, the login, whose query it completes.
func KeepFragmentHop(next string) hop {
	return hop{
		Title: "Signing you in", Message: "One moment, you are on your way to Zoom.",
		Script: "keep.js", Next: next,
	}
}

// WithMain is a page with a main part that another room has made, whose texts are
// escaped.
func WithMain(title string, main template.HTML) Page {
	return Page{Title: title, Main: main, Mark: markKey}
}
