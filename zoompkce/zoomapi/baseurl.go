package zoomapi

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// parseBaseURL reads a URL to which paths are appended.
func parseBaseURL(option, raw string, fallback func() string) (*url.URL, error) {
	u, err := parseURL(option, raw, fallback)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		return nil, fmt.Errorf("%s: must not have a query", option)
	}
	return u, err
}

// parseURL reads the URL of option, or the one of fallback if raw is empty, in one
// normal form: lower-case host, no default port, no trailing slash.
func parseURL(option, raw string, fallback func() string) (*url.URL, error) {
	if raw == "" {
		raw = fallback()
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The error of net/url repeats the URL, and with it any password.
		return nil, fmt.Errorf("%s: not a URL", option)
	}
	u.Host = strings.ToLower(u.Host)
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s: must not carry a user name or password", option)
	case strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%s: must not have a fragment", option)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%s: must be absolute, like https://zoom.us", option)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, fmt.Errorf("%s: must start with https:// (http:// is accepted for loopback hosts)", option)
	}
	if port := u.Port(); port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// below returns the URL of a path below a base URL.
func below(base *url.URL, path string) *url.URL {
	u := *base
	u.Path += path
	u.RawPath += path // heeded where the base has an escaped slash
	return &u
}

func defaultAPIURL(oauthURL *url.URL) string {
	if host := oauthURL.Hostname(); loopback(host) || net.ParseIP(host) != nil {
		return oauthURL.String()
	}
	return oauthURL.Scheme + "://api." + oauthURL.Host
}

func loopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func safeURL(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Scheme + "://" + u.Host
	}
	return redacted
}

// zoomCloud returns the domain of Zoom that an https URL without a port belongs
// to, empty if none.
func zoomCloud(u *url.URL) string {
	if u.Scheme != "https" || u.Port() != "" {
		return ""
	}
	for _, domain := range []string{"zoom.us", "zoomgov.com"} {
		if u.Host == domain || strings.HasSuffix(u.Host, "."+domain) {
			return domain
		}
	}
	return ""
}
