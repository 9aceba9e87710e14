package caddymodule

import "testing"

// Every code of the table that the directive answers with has its status in
// the contract.
func TestStatusOfCodes(t *testing.T) {
	for c, status := range map[code]int{
		codeSignInRequired: 401, codeNotAllowed: 403, codeDeclined: 403, codeCrossSite: 403,
		codeBadCallback: 400, codeLoginExpired: 400, codeCookiesMissing: 400, codeBadRequest: 400,
		codeNotFound: 404, codeMethodNotAllowed: 405, codeTooManyLogins: 429,
		codeCodeRefused: 502, codeZoomMisconfigured: 502, codeMissingScope: 502, codeZoomNonsense: 502,
		codeZoomUnavailable: 503, codeZoomRateLimited: 503, codeZAKUnavailable: 503, codeStoreUnavailable: 503,
	} {
		if c.status() != status {
			t.Errorf("%s: %d, want %d", c, c.status(), status)
		}
	}
}

// Who is sent to do something has to be told what.
func TestEveryTroubleHasAdvice(t *testing.T) {
	for c := range outcomes {
		if c.status() >= 500 && c.advice() == "" {
			t.Errorf("%s: no advice", c)
		}
	}
}
