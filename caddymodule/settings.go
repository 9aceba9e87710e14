package caddymodule

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/include"
	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/logformat"
	"github.com/zoompkce/caddy-zoom-pkce/zoompkce/zoomapi"
)

// settings is a Handler's configuration as requests use it: placeholders
// replaced, defaults filled in, every value checked. It is never changed, so
// requests share it without a lock.
type settings struct {
	redacted

	clientID     string
	clientSecret []byte // nil: a public client, or one with a key
	clientKey    string // in PEM, "": none
	clientKeyID  string

	redirectURIs []redirectURI // the first one is for all hosts that have none
	callbackPath string        // the path they share
	secure       bool          // they are https; decides all that depends on the scheme

	oauthURL      string // without a trailing slash, like apiURL
	apiURL        string
	authorizeURL  string
	scopes        []string
	zoomTimeout   time.Duration
	refreshMargin time.Duration

	pathPrefix      string // "/zoom_pkce"
	unauthenticated unauthenticated
	afterLogout     string // "": our own page
	keepFragment    bool
	errorPages      bool
	pageTokens      bool

	allow      *allowRules // nil: everybody
	headers    headerSettings
	zak        *zakSettings // nil: off, like all pointers below
	obf        *obfSettings
	meetingSDK *meetingSDKSettings
	zoomApp    *zoomAppSettings
	webhook    *webhookSettings
	programs   *programsSettings
	backend    *backendSettings

	session sessionSettings
	cookie  cookieSettings
}

// unauthenticated is what visitors without a session get.
type unauthenticated int

const (
	redirectToZoom unauthenticated = iota // page loads; 401 for everything else
	showSignInPage                        // the same with a page instead of a redirect
	rejectAlways
	passWithoutIdentity
)

var unauthenticatedValues = []string{"redirect", "page", "reject", "pass"}

// zoomConfig is how Zoom is called for the app.
func (s *settings) zoomConfig() zoomapi.Config {
	return zoomapi.Config{
		ClientID:     s.clientID,
		ClientSecret: string(s.clientSecret),
		ClientKey:    s.clientKey,
		ClientKeyID:  s.clientKeyID,
		OAuthURL:     s.oauthURL,
		APIURL:       s.apiURL,
		AuthorizeURL: s.authorizeURL,
		Scopes:       s.scopes,
		Timeout:      s.zoomTimeout,
	}
}

// credentials are the options by which Zoom knows the app.
func (s *settings) credentials() []string {
	switch {
	case s.clientKey != "":
		return []string{"client_id", "client_key"}
	case s.clientSecret != nil:
		return []string{"client_id", "client_secret"}
	}
	return []string{"client_id"}
}

// promised are the request headers that the directive sets, each in its place:
// names in settings, values in a request. "" is one that is not set.
type promised [9]string

// promised returns the canonical names of the headers.
func (s *settings) promised() promised {
	names := promised{s.headers.accessToken, s.headers.userID, s.headers.accountID, s.headers.email, s.headers.name}
	if s.zak != nil {
		names[5], names[6] = s.zak.header, s.zak.errorHeader
	}
	if s.obf != nil {
		names[7] = s.obf.header
	}
	names[8] = s.headers.client
	return names
}

// headerNames lists them without gaps.
func (s *settings) headerNames() []string {
	names := s.promised()
	return slices.DeleteFunc(names[:], func(name string) bool { return name == "" })
}

// scrubbedNames lists what no client may send: those headers, and all that have
// another name here or are off. An app built for the default names must not take
// a client's word for ours because of an option.
func (s *settings) scrubbedNames() []string {
	return append(s.headerNames(), standardHeaders[:]...)
}

var standardHeaders = [...]string{
	standardTokenHeader, standardUserIDHeader, standardAccountIDHeader, standardEmailHeader, standardNameHeader,
	standardZAKHeader, standardZAKHeader + zakErrorSuffix, standardOBFHeader, standardClientHeader, include.Header,
}

// hiddenInLogs are the names under which requests and answers carry credentials.
func (s *settings) hiddenInLogs() logformat.Names {
	hidden := logformat.Names{Headers: []string{include.Header, s.headers.accessToken}, CookiePrefixes: []string{s.cookie.name}}
	if s.zak != nil {
		hidden.Headers = append(hidden.Headers, s.zak.header)
	}
	if s.obf != nil {
		hidden.Headers = append(hidden.Headers, s.obf.header)
	}
	if s.backend != nil || s.programs != nil {
		hidden.Headers = append(hidden.Headers, "Authorization") // secrets and tokens of ours come in it
	}
	return hidden
}

// redacted, embedded, makes every formatting verb print nothing but a marker.
// fmt calls no methods of unexported fields, so the struct itself needs it.
type redacted struct{}

// Format implements fmt.Formatter.
func (redacted) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }
