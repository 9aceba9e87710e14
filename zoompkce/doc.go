// Package zoompkce signs people in at Zoom and keeps their sessions: the OAuth
// 2.0 authorization code flow with PKCE, one shared token set for each user,
// refreshes that happen once, and short-lived Zoom access keys (ZAK) fetched
// when they are needed. It knows nothing of Caddy and works behind plain
// net/http.
package zoompkce
