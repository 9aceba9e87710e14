package backend

import (
	"net/url"
	"regexp"
	"strings"
)

// meetingPath matches the paths of invitations (/j/), registrations (/w/), starts
// (/s/) and the web client, which has two forms.
var meetingPath = regexp.MustCompile(`^/(?:[jws]/|wc/(?:join/|start/)?)([0-9]{9,12})(?:/|/join|/start)?$`)

// meetingOf returns the number of the meeting that a URL of Zoom leads to. What
// else the URL holds, such as the passcode, does not matter, but it has to be one
// that people get from Zoom: what a bot service is told to join is somebody else's
// word.
func meetingOf(meetingURL string) (number string, ok bool) {
	u, err := url.Parse(meetingURL)
	if err != nil || u.Scheme != "https" || u.User != nil || !atZoom(u.Host) {
		return "", false
	}
	match := meetingPath.FindStringSubmatch(u.EscapedPath())
	if match == nil {
		return "", false
	}
	return match[1], true
}

// atZoom reports whether host, which has no port, is one of Zoom's.
func atZoom(host string) bool {
	host = strings.ToLower(host)
	for _, zoom := range []string{"zoom.us", "zoomgov.com"} {
		if host == zoom || strings.HasSuffix(host, "."+zoom) {
			return true
		}
	}
	return false
}
