// Package zoomapi is what Zoom says and wants: the OAuth 2.0 code flow with PKCE,
// the calls of the REST API for a profile, a ZAK and an on-behalf-of token, the
// words of its refusals, Meeting SDK signatures, the context of Zoom Apps and the
// signature of webhooks. It keeps nothing between two calls: who is signed in, and
// where tokens are stored, is the business of package zoompkce.
package zoomapi
