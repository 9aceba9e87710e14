// Package browser reads what a request says about who sent it: a person opening a
// page, a frame, a script, another site. It decides nothing; its functions look at
// an *http.Request alone, as it was sent before the site's rewrites.
package browser

import (
	"mime"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// navigation says what kind of answer a request can make use of.
type navigation int

const (
	// Other is a fetch, an image, a preflight, an API call: nothing
	// that a redirect to a sign-in page could help.
	Other navigation = iota
	// PageLoad is a person opening a page in a tab or window.
	PageLoad
	// FramedLoad is a page opening inside another page. Zoom's sign-in cannot
	// be shown there, so it needs a window of its own.
	FramedLoad
	// FormPost is a person sending a form, in a tab or a frame.
	FormPost
)

// Classify tells what persons wait for from everything else. Only a page load may
// start a sign-in by itself: redirecting a fetch ends in a CORS error, redirecting
// a POST loses its body, and both leave a pending login behind.
func Classify(r *http.Request) navigation {
	if isWebSocket(r) || IsSpeculative(r.Header) {
		return Other
	}
	kind := Other
	switch {
	case opensPage(r.Header):
		kind = PageLoad
	case InFrame(r.Header):
		kind = FramedLoad
	}
	switch SentMethod(r) {
	case http.MethodGet:
		return kind
	case http.MethodPost:
		if kind != Other {
			return FormPost
		}
	}
	return Other
}

// opensPage reports whether a page opens in a tab or window. A service worker that
// passes a navigation on leaves its mode and makes its destination "empty".
func opensPage(h http.Header) bool {
	if !hasFetchMetadata(h) {
		// Browsers before 2023, and any browser on plain http off loopback,
		// send no fetch metadata.
		return acceptsHTML(h) && !isXMLHTTPRequest(h)
	}
	dest := h.Get("Sec-Fetch-Dest")
	return h.Get("Sec-Fetch-Mode") == "navigate" && (dest == "document" || dest == "empty" && acceptsHTML(h))
}

// InFrame reports whether a page opens inside another one.
func InFrame(h http.Header) bool {
	if h.Get("Sec-Fetch-Mode") != "navigate" {
		return false
	}
	switch h.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object", "fencedframe":
		return true
	}
	return false
}

// isXMLHTTPRequest reports whether a script says that it asks. Other values of the
// header are names of apps, which Android's web views send with page loads.
func isXMLHTTPRequest(h http.Header) bool {
	return slices.ContainsFunc(h["X-Requested-With"], func(value string) bool {
		return strings.EqualFold(textproto.TrimString(value), "XMLHttpRequest")
	})
}

// isWebSocket reports whether r opens a WebSocket: by upgrade on HTTP/1
// (RFC 6455, section 4.1), by extended CONNECT on HTTP/2 and HTTP/3 (RFC 8441,
// RFC 9220). Go hands the :protocol of the latter on as a header field, quic-go
// as r.Proto.
func isWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return strings.EqualFold(r.Header.Get(":protocol"), "websocket") || strings.EqualFold(r.Proto, "websocket")
	}
	for _, line := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

// IsSpeculative reports whether a browser loads ahead of the user. Only
// speculative loads carry Sec-Purpose; the other headers are its older forms.
func IsSpeculative(h http.Header) bool {
	if len(h["Sec-Purpose"]) > 0 {
		return true
	}
	for _, key := range [...]string{"Purpose", "X-Purpose", "X-Moz"} {
		for _, value := range h[key] {
			value = strings.ToLower(value)
			if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
				return true
			}
		}
	}
	return false
}

// IsSameOriginFetch reports whether a page of this very origin loads something,
// as fetch metadata tells.
func IsSameOriginFetch(h http.Header) bool {
	values := h["Sec-Fetch-Site"]
	return len(values) == 1 && values[0] == "same-origin"
}

func hasFetchMetadata(h http.Header) bool {
	if _, ok := h["Sec-Fetch-Mode"]; ok {
		return true
	}
	for key := range h {
		if strings.HasPrefix(key, "Sec-Fetch-") {
			return true
		}
	}
	return false
}

// acceptsHTML reports whether Accept names text/html with a weight above
// zero. A wildcard is no such name: it is what every fetch sends.
func acceptsHTML(h http.Header) bool {
	for _, line := range h["Accept"] {
		for line != "" {
			var element string
			element, line = cutListElement(line)
			mediaType, params, err := mime.ParseMediaType(element)
			if mediaType != "text/html" || err != nil {
				continue
			}
			weight, ok := params["q"]
			if !ok {
				return true
			}
			if q, err := strconv.ParseFloat(weight, 64); err == nil && q > 0 {
				return true
			}
		}
	}
	return false
}

// cutListElement cuts the first element off a comma-separated list, in which
// a quoted string may contain commas (RFC 9110, section 5.6).
func cutListElement(list string) (element, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == '\\' && quoted:
			i++
		case list[i] == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// WantsPage reports whether a person is going to look at the answer.
func WantsPage(r *http.Request) bool {
	if hasFetchMetadata(r.Header) {
		return r.Header.Get("Sec-Fetch-Mode") == "navigate"
	}
	return acceptsHTML(r.Header) && !isXMLHTTPRequest(r.Header)
}
