package programs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	fetchTimeout    = 5 * time.Second
	maxDocumentSize = 64 << 10
)

// documentFetcher reads clients' documents. What a visitor names must not make
// the server speak to a machine that only it can reach (SSRF): the address is
// checked when the connection is made, after all name look-ups, no redirect is
// followed, and no proxy is asked, which would look names up itself.
type documentFetcher struct{ client *http.Client }

func newDocumentFetcher() *documentFetcher {
	return newDocumentFetcherWith(&net.Dialer{Timeout: fetchTimeout, Control: refuseSpecialUse}, nil)
}

func newDocumentFetcherWith(dialer *net.Dialer, change func(*http.Transport)) *documentFetcher {
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		DisableKeepAlives:      true,
		TLSHandshakeTimeout:    fetchTimeout,
		MaxResponseHeaderBytes: 16 << 10,
	}
	if change != nil {
		change(transport)
	}
	return &documentFetcher{&http.Client{
		Transport:     transport,
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// fetch reads a document, and how long it may be kept.
func (f *documentFetcher) fetch(ctx context.Context, id string) (*document, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("the answer is %d", res.StatusCode)
	case media != "application/json" && !(strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")):
		return nil, 0, errors.New("the answer is not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocumentSize+1))
	if err != nil {
		return nil, 0, err
	}
	if len(body) > maxDocumentSize {
		return nil, 0, errors.New("the document is longer than 64 KiB")
	}
	d := new(document)
	if err := json.Unmarshal(body, d); err != nil {
		return nil, 0, errors.New("the document is not a JSON object of the kind")
	}
	return d, cacheLife(res.Header), d.describes(id)
}

// cacheLife is how long an answer may be kept (RFC 9111, section 4.2.1), as far as
// it says so in seconds.
func cacheLife(h http.Header) time.Duration {
	var life time.Duration
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && seconds > 0 {
				life = time.Duration(min(seconds, int(maxDocumentLife/time.Second))) * time.Second
			}
		}
	}
	return life
}

var errSpecialUse = errors.New("the address is for special use")

// refuseSpecialUse is the Control of the dialer: it sees the address that is
// connected to, whatever a name stood for before.
func refuseSpecialUse(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || specialUse(at.Addr()) {
		return errSpecialUse
	}
	return nil
}

// specialNetworks are what the IANA registries of special-purpose addresses (RFC
// 6890) list beside what netip knows by name, and the ways of writing an IPv4
// address in an IPv6 one.
var specialNetworks = func() (list []netip.Prefix) {
	for _, network := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(network))
	}
	return list
}()

func specialUse(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return true
	}
	for _, network := range specialNetworks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}
