// Package zoomtest is a simulated Zoom for tests, in the manner of
// net/http/httptest: the OAuth endpoints, a consent page a person can click,
// and the few REST calls a sign-in needs.
//
// It is written from what Zoom documents and from what has been seen of it in
// public, not from any client, so that it can contradict one. Where Zoom is
// known to be loose it is strict: a client that passes here should pass there.
// Choices that no public source settles say so at the name they concern.
//
//	zoom := zoomtest.NewServer()
//	defer zoom.Close()
//	app := zoom.AddApp(zoomtest.App{RedirectURIs: []string{"https://app.example/callback"}})
//	zoom.AddUser(zoomtest.User{ID: "ada", Email: "ada@example.com"})
//	// ... the code under test makes an authorization URL ...
//	callback, err := zoom.SignIn(ctx, authorizeURL, "ada")
//
// Events go to the app's webhook with [Server.Webhook] and those that change
// something, like [Server.Deauthorize]. Failures are arranged with
// [Server.Fail], [Server.FailUser] and [Server.FailAfter], the order of
// concurrent calls with [Server.Hold], the passing of time with
// [Server.Advance] or, in a testing/synctest bubble, by sleeping.
package zoomtest
