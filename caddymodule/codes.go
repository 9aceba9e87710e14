package caddymodule

import (
	"maps"
	"net/http"
	"slices"
)

// code names what went wrong. It is the code of a problem answer, the value of
// the placeholder {http.zoom_pkce.error} and a metric label, so the set is
// closed and never contains text from elsewhere.
type code string

const (
	codeSignInRequired    code = "sign_in_required"
	codeNotAllowed        code = "not_allowed"
	codeDeclined          code = "declined"
	codeCrossSite         code = "cross_site"
	codeBadCallback       code = "bad_callback"
	codeLoginExpired      code = "login_expired"
	codeCookiesMissing    code = "cookies_missing"
	codeBadRequest        code = "bad_request"
	codeNotFound          code = "not_found"
	codeMethodNotAllowed  code = "method_not_allowed"
	codeTooManyLogins     code = "too_many_logins"
	codeCodeRefused       code = "code_refused"
	codeZoomMisconfigured code = "zoom_misconfigured"
	codeMissingScope      code = "missing_scope"
	codeZoomNonsense      code = "zoom_nonsense"
	codeZoomUnavailable   code = "zoom_unavailable"
	codeZoomRateLimited   code = "zoom_rate_limited"
	codeZAKUnavailable    code = "zak_unavailable"
	codeStoreUnavailable  code = "store_unavailable"
)

// telling is how a code is told: its HTTP status, the heading of its page and
// one sentence about what happened.
type telling struct {
	status int
	title  string
	detail string
}

var tellings = map[code]telling{
	codeSignInRequired: {
		http.StatusUnauthorized, "Sign in to continue",
		"This site asks you to sign in with your Zoom account.",
	},
	codeNotAllowed: {
		http.StatusForbidden, "This account has no access",
		"You are signed in, but this site is not open to your Zoom account.",
	},
	codeDeclined: {
		http.StatusForbidden, "You are not signed in",
		"Zoom ended the sign-in without giving permission.",
	},
	codeCrossSite: {
		http.StatusForbidden, "Request from another site",
		"For your protection, this site does not accept this request from another site.",
	},
	codeBadCallback: {
		http.StatusBadRequest, "This sign-in link does not work",
		"The address that Zoom sent you back to is incomplete or damaged.",
	},
	codeLoginExpired: {
		http.StatusBadRequest, "The sign-in took too long",
		"This sign-in has expired or was already used.",
	},
	codeCookiesMissing: {
		http.StatusBadRequest, "Your browser did not keep the sign-in",
		"A cookie that was set when you left for Zoom did not come back with you.",
	},
	codeBadRequest: {
		http.StatusBadRequest, "Request not understood",
		"The request is incomplete or malformed.",
	},
	codeNotFound: {
		http.StatusNotFound, "Nothing here",
		"There is no page at this address.",
	},
	codeMethodNotAllowed: {
		http.StatusMethodNotAllowed, "Not possible this way",
		"This address does not accept this kind of request.",
	},
	codeTooManyLogins: {
		http.StatusTooManyRequests, "Signing in again and again",
		"You signed in several times within seconds, and each time the sign-in was lost.",
	},
	codeCodeRefused: {
		http.StatusBadGateway, "Zoom did not accept the sign-in",
		"Zoom refused the code that it had just issued for this sign-in.",
	},
	codeZoomMisconfigured: {
		http.StatusBadGateway, "This site is not set up correctly",
		"Zoom does not accept this site's registration, which only its operator can put right.",
	},
	codeMissingScope: {
		http.StatusBadGateway, "A permission is missing",
		"The Zoom app behind this site lacks a permission that the site needs.",
	},
	codeZoomNonsense: {
		http.StatusBadGateway, "Unexpected answer from Zoom",
		"Zoom answered in a way that this site cannot use.",
	},
	codeZoomUnavailable: {
		http.StatusServiceUnavailable, "Zoom cannot be reached",
		"This site cannot reach Zoom at the moment.",
	},
	codeZoomRateLimited: {
		http.StatusServiceUnavailable, "Zoom is asking for a pause",
		"This site has sent Zoom more requests than Zoom allows.",
	},
	codeZAKUnavailable: {
		http.StatusServiceUnavailable, "The meeting key is not available",
		"Zoom did not hand out the key that is needed to start or join meetings.",
	},
	codeStoreUnavailable: {
		http.StatusServiceUnavailable, "Sign-ins cannot be read",
		"This site cannot read its stored sign-ins at the moment; yours is not lost.",
	},
}

// told returns how c is told. A code outside the table is a mistake of ours
// and told as an internal error.
func (c code) told() telling {
	if t, ok := tellings[c]; ok {
		return t
	}
	return telling{http.StatusInternalServerError, "Something went wrong", "This site made a mistake."}
}

// status is the HTTP status that belongs to c.
func (c code) status() int { return c.told().status }

// title is the heading of the page of c.
func (c code) title() string { return c.told().title }

// detail is one sentence about what happened.
func (c code) detail() string { return c.told().detail }

// allCodes lists all codes there are, in the order of their names.
func allCodes() []code { return slices.Sorted(maps.Keys(tellings)) }

// helpsToSignIn reports whether signing in is a way on from a refusal.
func (c code) helpsToSignIn() bool {
	switch c {
	case codeSignInRequired, codeDeclined, codeBadCallback, codeLoginExpired, codeCookiesMissing, codeCodeRefused:
		return true
	}
	return false
}

// advice tells an operator what to do about c, "" where there is nothing to do.
func (c code) advice() string {
	switch c {
	case codeZoomMisconfigured:
		return "check client_id and client_secret, and register the redirect URI exactly as it stands here; " +
			"development and production credentials of a Zoom app differ; caddy zoom-pkce doctor checks them"
	case codeMissingScope:
		return "add the scope to the Zoom app in the App Marketplace; users are then asked for it on their next sign-in"
	case codeStoreUnavailable:
		return "check that the session store can be reached, read and written; caddy zoom-pkce doctor tries it"
	case codeZoomRateLimited, codeZAKUnavailable:
		return "fewer requests need a ZAK: exclude assets with zak match, or raise zak max_age"
	case codeTooManyLogins, codeCookiesMissing:
		return "the browser does not keep the cookies, the site is opened by plain http, or several Caddys do not share their storage"
	case codeZoomUnavailable:
		return "check that this machine can reach Zoom"
	case codeZoomNonsense:
		return "check oauth_url and api_url, and whether a proxy answers in Zoom's place"
	case codeCodeRefused:
		return "now and then this is a reload or the back button; often it means that the code is redeemed elsewhere, too"
	case codeNotAllowed:
		return "add a line to allow if this visitor should be let in"
	case codeCrossSite:
		return "call this from a page of the site itself"
	}
	return ""
}
