package zoomtest

import (
	"testing"
	"time"
)

const home = "https://app.example/home#/start"

func inClientWorld(t *testing.T) *world {
	w := newWorld(t)
	w.app = w.AddApp(App{ClientID: "zoomapp", ClientSecret: "s3cret", RedirectURIs: []string{home}})
	return w
}

func TestInClientExchange(t *testing.T) {
	w := inClientWorld(t)
	for name, tc := range map[string]struct {
		challenge, redirect string
		want                string // empty: tokens
	}{
		"the event's redirect uri": {verifier, home, ""},
		"without redirect uri":     {verifier, "-", ""},
		"another redirect uri":     {verifier, callback, `{"reason":"Redirect URI mismatch","error":"invalid_grant"}`},
		"an empty redirect uri":    {verifier, "", `{"reason":"Redirect URI mismatch","error":"invalid_grant"}`},
		"a challenge by S256":      {s256(verifier), home, "code"},
	} {
		t.Run(name, func(t *testing.T) {
			event, err := w.InClientAuthorize("zoomapp", "ada", tc.challenge, "st", home)
			if err != nil {
				t.Fatal(err)
			}
			if !event.Result || event.State != "st" || event.RedirectURI != home ||
				time.Since(time.Unix(event.Timestamp, 0)).Abs() > time.Minute {
				t.Errorf("event %+v", event)
			}
			status, body := w.post("/oauth/token", w.app, codeForm(w.app, event.Code, "redirect_uri", tc.redirect))
			switch tc.want {
			case "":
				w.tokens(status, body)
			case "code":
				expect(t, status, body, 400, invalidCodeBody(event.Code))
			default:
				expect(t, status, body, 400, tc.want)
			}
		})
	}
}

func TestInClientCodeNeedsItsVerifier(t *testing.T) {
	w := inClientWorld(t)
	event, err := w.InClientAuthorize("zoomapp", "ada", verifier, "", home)
	if err != nil {
		t.Fatal(err)
	}
	status, body := w.post("/oauth/token", w.app, codeForm(w.app, event.Code, "code_verifier", "-", "redirect_uri", "-"))
	expect(t, status, body, 400, invalidCodeBody(event.Code))
}

func TestInClientAuthorizeRefuses(t *testing.T) {
	w := inClientWorld(t)
	for name, args := range map[string][4]string{
		"an unknown app":       {"nobody", "ada", verifier, home},
		"an unknown user":      {"zoomapp", "eve", verifier, home},
		"an empty challenge":   {"zoomapp", "ada", "", home},
		"the page, hashless":   {"zoomapp", "ada", verifier, "https://app.example/home"},
		"an unregistered page": {"zoomapp", "ada", verifier, callback},
	} {
		if event, err := w.InClientAuthorize(args[0], args[1], args[2], "", args[3]); err == nil {
			t.Errorf("%s: %+v", name, event)
		}
	}
}

func TestInClientDeclineAndMissingState(t *testing.T) {
	w := inClientWorld(t)
	if event := w.InClientDecline("st", home); event.Result || event.Code != "" || event.State != "st" {
		t.Errorf("event %+v", event)
	}
	w.OmitInClientState = true
	event, err := w.InClientAuthorize("zoomapp", "ada", verifier, "st", home)
	if err != nil || event.State != "" {
		t.Errorf("event %+v, %v", event, err)
	}
}

func TestInClientSignInEndsEarlierTokens(t *testing.T) {
	w := inClientWorld(t)
	exchange := func() tokens {
		event, err := w.InClientAuthorize("zoomapp", "ada", verifier, "", home)
		if err != nil {
			t.Fatal(err)
		}
		return w.tokens(w.post("/oauth/token", w.app, codeForm(w.app, event.Code, "redirect_uri", home)))
	}
	old := exchange()
	exchange()
	status, body := w.get(old.Access, "/v2/users/me")
	expect(t, status, body, 401, invalidAccessBody)
}
