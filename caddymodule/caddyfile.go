package caddymodule

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/zoompkce/caddy-zoom-pkce/caddymodule/internal/conf"
)

const directive = "zoom_pkce"

func init() {
	httpcaddyfile.RegisterDirective(directive, parseCaddyfile)
	// After the gates that an operator already has, which so guard our endpoints
	// too, and before everything that uses the headers and placeholders we set.
	httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.After, "forward_auth")
}

// parseCaddyfile sets up the handler in a route without a matcher: the matcher
// of the directive says what is protected, while the endpoints have to be
// reachable and the headers have to be removed everywhere.
func parseCaddyfile(helper httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h := new(Handler)
	if err := h.unmarshalCaddyfile(helper); err != nil {
		return nil, err
	}
	raw := caddyconfig.JSONModuleObject(h, "handler", directive, nil)
	if raw == nil {
		return nil, helper.Errf("%s cannot be written as JSON", directive)
	}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{raw}}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// unmarshalCaddyfile sets up the handler from Caddyfile tokens. Values are
// checked when the configuration loads, once placeholders are replaced.
//
// Syntax:
//
//	zoom_pkce [<matcher>] {
//	    client_id      <id>
//	    client_secret  <secret>
//	    client_key     <key> [<client_key_id>]
//	    redirect_uri   <uri...>
//	    oauth_url      <url>
//	    api_url        <url>
//	    authorize_url  <url>
//	    scopes         <scope...>
//	    zoom_timeout   <duration>
//	    refresh_margin <duration>
//
//	    path_prefix     <path>
//	    unauthenticated redirect|page|reject|pass
//	    after_logout    <path or url>
//	    keep_fragment   on|off
//	    error_pages     on|off
//	    allow {
//	        account_id   <id...>
//	        user_id      <id...>
//	        email        <address...>
//	        email_domain <domain...>
//	    }
//
//	    headers {
//	        access_token <name> [<scheme>] | off
//	        access_token <name> [<scheme>] {
//	            match <matcher token, inline matcher or block>
//	        }
//	        user_id      <name> | off
//	        account_id   <name> | off
//	        email        <name> | off
//	        name         <name> | off
//	        client       <name> | off
//	    }
//	    zak off
//	    zak {
//	        header   <name>
//	        max_age  <duration>
//	        lifetime <duration>
//	        on_error omit|fail
//	        match    <matcher token, inline matcher or block>
//	    }
//	    obf {
//	        meeting_id <placeholder>
//	        header     <name>
//	        lifetime   <duration>
//	        max_age    <duration>
//	        on_error   omit|fail
//	    }
//	    page_tokens on|off
//	    meeting_sdk
//	    meeting_sdk {
//	        sdk_key    <key>
//	        sdk_secret <secret>
//	        expires_in <duration>
//	        roles      <0|1...>
//	    }
//	    zoom_app
//	    zoom_app {
//	        redirect_uri         <uri...>
//	        sign_in_from_context on|off
//	        open_in_client       on|off
//	    }
//	    webhook {
//	        secret_token <token...>
//	        client_id    <id...>
//	        hand_on      on|off
//	    }
//	    programs {
//	        client <id> <redirect_uri...>
//	        client <id> {
//	            name         <text>
//	            redirect_uri <uri...>
//	        }
//	        registration     on|off
//	        client_documents [<host...>]
//	        redirect_hosts   <host...>
//	        token_lifetime   <duration>
//	        idle_timeout     <duration>
//	        max_lifetime     <duration>
//	        max_programs     <count>
//	    }
//	    backend {
//	        secret      <secret...>
//	        keep_grants <duration>
//	    }
//
//	    session {
//	        store         <name> [<arguments...>] {
//	            ...
//	        }
//	        idle_timeout  <duration>
//	        max_lifetime  <duration>
//	        sync_interval <duration>
//	        max_sessions  <count>
//	        cache_size    <users>
//	    }
//	    cookie {
//	        name      <prefix>
//	        domain    <domain>
//	        same_site lax|none
//	        secret    <secret...>
//	    }
//	}
//
// The matcher says which requests need a signed-in visitor. Lines that take
// lists may be repeated and accumulate, as do the lines of match, of which one
// has to match.
func (h *Handler) unmarshalCaddyfile(helper httpcaddyfile.Helper) error {
	// Without this Next, ExtractMatcherSet would take the directive itself for
	// the token to look at and leave an empty block.
	if !helper.Next() {
		return helper.ArgErr()
	}
	matcher, err := helper.ExtractMatcherSet()
	if err != nil {
		return helper.WrapErr(err)
	}
	if len(matcher) > 0 {
		h.Protect = caddyhttp.RawMatcherSets{matcher}
	}
	helper.Next()
	if helper.CountRemainingArgs() > 0 {
		return helper.Errf("%s takes a matcher and a block, nothing else on its line", directive)
	}
	b := conf.NewBlock(helper, directive, subdirectivesOf)
	return b.Lines(h.subdirective)
}

func (h *Handler) subdirective(b *conf.Block) error {
	switch b.Val() {
	case "client_id":
		return b.Text(&h.ClientID)
	case "client_secret":
		return b.Text(&h.ClientSecret)
	case "client_key":
		return h.unmarshalClientKey(b)
	case "redirect_uri":
		return b.List(&h.RedirectURI)
	case "oauth_url":
		return b.Text(&h.OAuthURL)
	case "api_url":
		return b.Text(&h.APIURL)
	case "authorize_url":
		return b.Text(&h.AuthorizeURL)
	case "scopes":
		return b.List(&h.Scopes)
	case "zoom_timeout":
		return b.Duration(&h.ZoomTimeout)
	case "refresh_margin":
		return b.DurationOrZero(&h.RefreshMargin)
	case "path_prefix":
		return b.Text(&h.PathPrefix)
	case "unauthenticated":
		return b.OneOf(&h.Unauthenticated, unauthenticatedValues...)
	case "after_logout":
		return b.Text(&h.AfterLogout)
	case "keep_fragment":
		return b.OnOff(&h.KeepFragment)
	case "error_pages":
		h.ErrorPages = new(bool)
		return b.OnOff(h.ErrorPages)
	case "page_tokens":
		return b.OnOff(&h.PageTokens)
	case "allow":
		h.Allow = new(Allow)
		return b.Nested(h.Allow.subdirective)
	case "headers":
		h.Headers = new(Headers)
		return b.Nested(h.Headers.subdirective)
	case "zak":
		h.ZAK = new(ZAK)
		return h.ZAK.unmarshalCaddyfile(b)
	case "obf":
		h.OBF = new(OBF)
		return b.Nested(h.OBF.subdirective)
	case "meeting_sdk":
		h.MeetingSDK = new(MeetingSDK)
		return b.Optional(h.MeetingSDK.subdirective)
	case "zoom_app":
		h.ZoomApp = new(ZoomApp)
		return b.Optional(h.ZoomApp.subdirective)
	case "webhook":
		h.Webhook = new(Webhook)
		return b.Nested(h.Webhook.subdirective)
	case "programs":
		h.Programs = new(Programs)
		return b.Nested(h.Programs.subdirective)
	case "backend":
		h.Backend = new(Backend)
		return b.Nested(h.Backend.subdirective)
	case "session":
		h.Session = new(Session)
		return b.Nested(h.Session.subdirective)
	case "cookie":
		h.Cookie = new(Cookie)
		return b.Nested(h.Cookie.subdirective)
	default:
		return b.Unrecognized()
	}
}

// unmarshalClientKey reads a key and perhaps its id.
func (h *Handler) unmarshalClientKey(b *conf.Block) error {
	if err := b.Once(); err != nil {
		return err
	}
	args := b.RemainingArgs()
	switch len(args) {
	case 1:
		h.ClientKey = args[0]
	case 2:
		h.ClientKey, h.ClientKeyID = args[0], args[1]
	default:
		return b.WrongCount("client_key", "takes a private key in PEM, quoted or as {file./path}, and perhaps its id")
	}
	return b.NotEmpty("client_key", args...)
}

// ownLine reports whether a JSON key is the name of a line of its own: not a
// matcher, nor the word `off`, nor what follows another value on its line.
func ownLine(key string) bool {
	return key != "" && key != "protect" && key != "disabled" && key != "client_key_id"
}

// subdirectivesOf lists what a block of the directive takes: the Caddyfile and
// JSON have the same names.
func subdirectivesOf(block string) (names []string) {
	fields := slices.Collect(reflect.TypeFor[Handler]().Fields())
	if block != directive {
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool {
			return jsonKey(f) == block && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct
		})
		if i < 0 {
			return nil
		}
		fields = slices.Collect(fields[i].Type.Elem().Fields())
	}
	for _, field := range fields {
		if key := jsonKey(field); ownLine(key) {
			names = append(names, key)
		}
	}
	return names
}

func jsonKey(field reflect.StructField) string {
	key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return key
}
