// Package outcome is the closed set of codes for what went wrong: the status, heading
// and sentence of each, and what an operator can do about it. How they are shown, and
// when, is not its business; it imports nothing of ours.
package outcome

import (
	"maps"
	"net/http"
	"slices"
)

// Code names what went wrong. It is the code of a problem answer, the value of
// the placeholder {http.zoom_pkce.error} and a metric label, so the set is
// closed and never contains text from elsewhere.
type Code string

// The codes of the directive. Monitors and clients are written against them.
const (
	SignInRequired    Code = "sign_in_required"
	NotAllowed        Code = "not_allowed"
	Declined          Code = "declined"
	CrossSite         Code = "cross_site"
	BadSignature      Code = "bad_signature"
	BadCallback       Code = "bad_callback"
	LoginExpired      Code = "login_expired"
	CookiesMissing    Code = "cookies_missing"
	BadRequest        Code = "bad_request"
	BadClient         Code = "bad_client"
	NotFound          Code = "not_found"
	MethodNotAllowed  Code = "method_not_allowed"
	TooManyLogins     Code = "too_many_logins"
	CodeRefused       Code = "code_refused"
	ZoomMisconfigured Code = "zoom_misconfigured"
	MissingScope      Code = "missing_scope"
	ZoomNonsense      Code = "zoom_nonsense"
	ZoomUnavailable   Code = "zoom_unavailable"
	ZoomRateLimited   Code = "zoom_rate_limited"
	ZAKUnavailable    Code = "zak_unavailable"
	StoreUnavailable  Code = "store_unavailable"
)

// telling is how a code is told: its HTTP status, the heading of its page and
// one sentence about what happened.
type telling struct {
	status int
	title  string
	detail string
}

var tellings = map[Code]telling{
	SignInRequired: {
		http.StatusUnauthorized, "Sign in to continue",
		"This site asks you to sign in with your Zoom account.",
	},
	NotAllowed: {
		http.StatusForbidden, "This account has no access",
		"You are signed in, but this site is not open to your Zoom account.",
	},
	Declined: {
		http.StatusForbidden, "You are not signed in",
		"Zoom ended the sign-in without giving permission.",
	},
	CrossSite: {
		http.StatusForbidden, "Request from another site",
		"For your protection, this site does not accept this request from another site.",
	},
	BadSignature: {
		http.StatusForbidden, "This request is not entitled to an answer",
		"Its secret or signature is not one that this site accepts, or not any more.",
	},
	BadCallback: {
		http.StatusBadRequest, "This sign-in link does not work",
		"The address that Zoom sent you back to is incomplete or damaged.",
	},
	LoginExpired: {
		http.StatusBadRequest, "The sign-in took too long",
		"This sign-in has expired or was already used.",
	},
	CookiesMissing: {
		http.StatusBadRequest, "Your browser did not keep the sign-in",
		"A cookie that was set when you left for Zoom did not come back with you.",
	},
	BadRequest: {
		http.StatusBadRequest, "Request not understood",
		"The request is incomplete or malformed.",
	},
	BadClient: {
		http.StatusBadRequest, "This program is not known here",
		"The program that sent you here is not one that this site knows, or wants you sent back to where it may not.",
	},
	NotFound: {
		http.StatusNotFound, "Nothing here",
		"There is no page at this address.",
	},
	MethodNotAllowed: {
		http.StatusMethodNotAllowed, "Not possible this way",
		"This address does not accept this kind of request.",
	},
	TooManyLogins: {
		http.StatusTooManyRequests, "Signing in again and again",
		"You signed in several times within seconds, and each time the sign-in was lost.",
	},
	CodeRefused: {
		http.StatusBadGateway, "Zoom did not accept the sign-in",
		"Zoom refused the code that it had just issued for this sign-in.",
	},
	ZoomMisconfigured: {
		http.StatusBadGateway, "This site is not set up correctly",
		"Zoom does not accept this site's registration, which only its operator can put right.",
	},
	MissingScope: {
		http.StatusBadGateway, "A permission is missing",
		"The Zoom app behind this site lacks a permission that the site needs.",
	},
	ZoomNonsense: {
		http.StatusBadGateway, "Unexpected answer from Zoom",
		"Zoom answered in a way that this site cannot use.",
	},
	ZoomUnavailable: {
		http.StatusServiceUnavailable, "Zoom cannot be reached",
		"This site cannot reach Zoom at the moment.",
	},
	ZoomRateLimited: {
		http.StatusServiceUnavailable, "Zoom is asking for a pause",
		"This site has sent Zoom more requests than Zoom allows.",
	},
	ZAKUnavailable: {
		http.StatusServiceUnavailable, "The meeting key is not available",
		"Zoom did not hand out the key that is needed to start or join meetings.",
	},
	StoreUnavailable: {
		http.StatusServiceUnavailable, "Sign-ins cannot be read",
		"This site cannot read its stored sign-ins at the moment; yours is not lost.",
	},
}

// told returns how c is told. A code outside the table is a mistake of ours
// and told as an internal error.
func (c Code) told() telling {
	if t, ok := tellings[c]; ok {
		return t
	}
	return telling{http.StatusInternalServerError, "Something went wrong", "This site made a mistake."}
}

// Status is the HTTP status that belongs to c.
func (c Code) Status() int { return c.told().status }

// Title is the heading of the page of c.
func (c Code) Title() string { return c.told().title }

// Detail is one sentence about what happened.
func (c Code) Detail() string { return c.told().detail }

// All lists all codes there are, in the order of their names.
func All() []Code { return slices.Sorted(maps.Keys(tellings)) }

// HelpsToSignIn reports whether signing in is a way on from a refusal.
func (c Code) HelpsToSignIn() bool {
	return slices.Contains([]Code{SignInRequired, Declined, BadCallback, LoginExpired, CookiesMissing, CodeRefused}, c)
}

// Advice tells an operator what to do about c, "" where there is nothing to do.
func (c Code) Advice() string { return advice[c] }

var advice = map[Code]string{
	ZoomMisconfigured: "check client_id and client_secret, and register the redirect URI exactly as it stands here; " +
		"development and production credentials of a Zoom app differ; caddy zoom-pkce doctor checks them",
	MissingScope:     "add the scope to the Zoom app in the App Marketplace; users are then asked for it on their next sign-in",
	StoreUnavailable: "check that the session store can be reached, read and written; caddy zoom-pkce doctor tries it",
	ZoomRateLimited:  fewerZAKs,
	ZAKUnavailable:   fewerZAKs,
	TooManyLogins:    lostCookies,
	CookiesMissing:   lostCookies,
	ZoomUnavailable:  "check that this machine can reach Zoom",
	ZoomNonsense:     "check oauth_url and api_url, and whether a proxy answers in Zoom's place",
	CodeRefused:      "now and then this is a reload or the back button; often it means that the code is redeemed elsewhere, too",
	NotAllowed:       "add a line to allow if this visitor should be let in",
	BadClient:        "compare the program's client id and redirect URI, which have to be exact, with programs client",
	BadSignature:     "compare the secret with that of backend, and the clocks; a signed URL counts byte for byte, as it was signed",
	CrossSite:        "call this from a page of the site itself",
}

const (
	fewerZAKs   = "fewer requests need a ZAK: exclude assets with zak match, or raise zak max_age"
	lostCookies = "the browser does not keep the cookies, the site is opened by plain http, or several Caddys do not share their storage"
)
