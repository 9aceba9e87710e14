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
	return newDocumentFetcherWith(&net.Dialer{Control: refuseSpecialUse}, nil)
}

func newDocumentFetcherWith(dialer *net.Dialer, change func(*http.Transport)) *documentFetcher {
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		DisableKeepAlives:      true,
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

// fetch reads a document.
func (f *documentFetcher) fetch(ctx context.Context, id string) (*document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer is %d", res.StatusCode)
	case media != "application/json" && !(strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")):
		return nil, errors.New("the answer is not JSON")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, maxDocumentSize))
	if err != nil {
		return nil, errors.New("the document is longer than 64 KiB, or breaks off")
	}
	d := &document{life: cacheLife(res.Header)}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, errors.New("the document is not a JSON object of the kind")
	}
	return d, d.describes(id)
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
			// It is 0 for what is no number, and the largest one for what is larger.
			seconds, _ := strconv.ParseUint(strings.Trim(value, `"`), 10, 64)
			life = time.Duration(min(seconds, uint64(maxDocumentLife/time.Second))) * time.Second
		}
	}
	return life
}

var errSpecialUse = errors.New("the address is for special use")

// refuseSpecialUse is the Control of the dialer: it sees the address that is
// connected to, whatever a name stood for before.
func refuseSpecialUse(_, address string, _ syscall.RawConn) error {
	at, _ := netip.ParseAddrPort(address) // without an address, which is special, for a name
	if specialUse(at.Addr()) {
		return errSpecialUse
	}
	return nil
}

// globalIPv6 is what IPv6 addresses of machines are assigned from. Of what lies
// outside it much is a way of writing an IPv4 address (RFC 2765, 4291, 6052), which
// translators on the way may take for one.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// specialNetworks are what the IANA registries of special-purpose addresses (RFC
// 6890) list beside what netip knows by name, and the ways of writing an IPv4
// address in a global IPv6 one.
var specialNetworks = func() (list []netip.Prefix) {
	for _, network := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(network))
	}
	return list
}()

func specialUse(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Is6() && !globalIPv6.Contains(ip) {
		return true
	}
	for _, network := range specialNetworks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}
