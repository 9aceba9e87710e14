// Package caddymodule is the Caddy adapter of zoom_pkce: it signs visitors in
// at Zoom in front of any web app and hands identity, access token and ZAK on
// as request headers.
package caddymodule

import (
	"fmt"
	"io"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(&Handler{})
}

// Handler signs every visitor in at Zoom (OAuth 2.0 authorization code with
// PKCE) before the next handler sees a request, which then carries the
// visitor's identity, a valid Zoom access token and a fresh ZAK (Zoom access
// key, the credential that lets a Meeting SDK client act as the user).
//
// Headers of these names that a client sends are removed from every request,
// protected or not.
//
// Placeholders that are known when the configuration loads, such as `{env.*}`
// and `{file.*}`, work in every text option. Write secrets with them: literal
// secrets show up in `caddy adapt` and in Caddy's autosaved configuration.
type Handler struct {
	// The requests that need a signed-in visitor. They are matched as they were
	// sent, as they were rewritten, and both as servers behind may read their paths.
	// Requests that match none of the matcher sets go on without identity; the
	// headers are removed from them too. Default: every request.
	Protect caddyhttp.RawMatcherSets `json:"protect,omitempty" caddy:"namespace=http.matchers"`

	// The client id of the Zoom app. Zoom issues different ones for
	// development, production and public clients. Required.
	ClientID string `json:"client_id,omitempty"`

	// The client secret of the Zoom app. Leave it out for a public client,
	// which has none, and with `client_key`, unless it is a Zoom App. Default: none.
	ClientSecret string `json:"client_secret,omitempty"`

	// The app's own private key in PEM, for an app whose credentials at Zoom are
	// a public key instead of a client secret: RSA of 2048 bits or more, or P-256.
	// `caddy zoom-pkce keygen --client-key` makes one. Default: none.
	ClientKey string `json:"client_key,omitempty"`

	// The id that Zoom knows `client_key` by, the `kid` of its JWK. In a Caddyfile
	// it follows the key. Default: none is sent.
	ClientKeyID string `json:"client_key_id,omitempty"`

	// The absolute redirect URIs as registered at Zoom, one for each host that
	// is served; all have the same path, which is where Zoom sends visitors
	// back. Either all are https or all are http to a loopback host. Page loads
	// on any other host are sent to the host of the first one. Required.
	RedirectURI []string `json:"redirect_uri,omitempty"`

	// The base URL of Zoom's OAuth endpoints; Zoom for Government has
	// `https://zoomgov.com`. Default: `https://zoom.us`.
	OAuthURL string `json:"oauth_url,omitempty"`

	// The base URL of Zoom's REST API. Default: `api.` before the host of
	// `oauth_url`, so `https://api.zoom.us`; `oauth_url` itself where its host
	// is an IP address or localhost.
	APIURL string `json:"api_url,omitempty"`

	// The page on which visitors sign in and consent. Some Marketplace betas
	// have their own. Default: `/oauth/authorize` below `oauth_url`.
	AuthorizeURL string `json:"authorize_url,omitempty"`

	// The scopes to ask for. Default: none, which means those that the app is
	// configured with at Zoom.
	Scopes []string `json:"scopes,omitempty"`

	// How long one call to Zoom may take, at most 5 minutes. Default: 10s.
	ZoomTimeout caddy.Duration `json:"zoom_timeout,omitempty"`

	// How long before its end an access token is refreshed. Inside the margin
	// requests use the old token while the new one is fetched; with 0 they wait for
	// it when the old one has expired. A new token is not refreshed before half of
	// its life is over, however long the margin. Default: 5m.
	RefreshMargin *caddy.Duration `json:"refresh_margin,omitempty"`

	// The path below which the directive answers itself: sign-in, sign-out,
	// session and token endpoints. Default: `/zoom_pkce`.
	PathPrefix string `json:"path_prefix,omitempty"`

	// What a visitor without a session gets: `redirect` sends page loads to
	// Zoom and answers everything else with 401, `page` shows a 401 page with a
	// sign-in button, `reject` always answers 401, to persons with a page, `pass` lets
	// the request go on without identity. Default: `redirect`.
	Unauthenticated string `json:"unauthenticated,omitempty"`

	// Where a sign-out lands: a path of this site or an absolute URL. Default:
	// a page of the directive that does not start a new sign-in.
	AfterLogout string `json:"after_logout,omitempty"`

	// Whether the `#fragment` of a page survives the sign-in. It needs a small
	// script, on a page before the redirect to Zoom, or on the page with the button to sign in.
	// Default: false.
	KeepFragment bool `json:"keep_fragment,omitempty"`

	// Whether the directive shows its own error pages. When false, errors go to
	// `handle_errors`, with the code in `{http.zoom_pkce.error}`. Default: true.
	ErrorPages *bool `json:"error_pages,omitempty"`

	// Who may pass after signing in. Default: every Zoom user.
	Allow *Allow `json:"allow,omitempty"`

	// The request headers that carry identity and access token. Default: see
	// each header.
	Headers *Headers `json:"headers,omitempty"`

	// The ZAK that requests carry. Default: a ZAK of at most one minute of age
	// in every request.
	ZAK *ZAK `json:"zak,omitempty"`

	// The OBF (on-behalf-of) token that requests carry. Default: none.
	OBF *OBF `json:"obf,omitempty"`

	// Whether the page's own script may fetch ZAK and OBF tokens from the
	// endpoints `zak` and `obf`. Default: false.
	PageTokens bool `json:"page_tokens,omitempty"`

	// Turns on the endpoint `signature`, which signs Meeting SDK JWTs for
	// signed-in visitors. Default: off.
	MeetingSDK *MeetingSDK `json:"meeting_sdk,omitempty"`

	// Turns on what Zoom Apps need: in-client OAuth and the app context. It
	// needs `client_secret`. Default: off.
	ZoomApp *ZoomApp `json:"zoom_app,omitempty"`

	// Turns on the endpoint `webhook`, which ends the sessions of users that
	// remove the app at Zoom, are deactivated or deleted, and can hand events on to
	// the app behind. Default: off.
	Webhook *Webhook `json:"webhook,omitempty"`

	// Lets native apps, command lines and MCP clients sign in. Default: off.
	Programs *Programs `json:"programs,omitempty"`

	// Turns on the endpoints `backend/token`, `backend/zak`, `backend/obf` and
	// `backend/bot`, at which the app's own servers get a user's tokens while no
	// visitor is there. Default: off.
	Backend *Backend `json:"backend,omitempty"`

	// How long sessions last and where they are stored. Default: see each
	// option.
	Session *Session `json:"session,omitempty"`

	// The cookies of the directive. Default: see each option.
	Cookie *Cookie `json:"cookie,omitempty"`

	site *site // what Provision makes of all this
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.zoom_pkce",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Format prints no field for any verb: a configuration may hold literal secrets
// and is a tempting thing to log.
func (Handler) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "zoom_pkce handler") }

// Interface guards
var (
	_ caddy.Module  = (*Handler)(nil)
	_ fmt.Formatter = (*Handler)(nil)
)
