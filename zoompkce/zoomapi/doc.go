// Package zoomapi is what Zoom says and wants: the OAuth 2.0 code flow with PKCE,
// with a client secret or with a key of the app's own, the calls of the REST API
// for a profile, a ZAK, an on-behalf-of token and a deep link, the words of its
// refusals, Meeting SDK signatures, the context of Zoom Apps and webhooks. It
// keeps nothing between two calls: who is signed in, and where tokens are stored,
// is the business of package zoompkce.
package zoomapi
