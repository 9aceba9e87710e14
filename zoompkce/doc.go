// Package zoompkce keeps people signed in with Zoom: sessions in sealed cookies, one
// shared token set for each user in a store, refreshes that happen once, and
// short-lived Zoom access keys (ZAK) fetched when they are needed. What users allow
// to act for them, programs, has tokens of its own. It speaks to Zoom
// through package zoomapi only, knows nothing of Caddy and works behind plain net/http.
package zoompkce
