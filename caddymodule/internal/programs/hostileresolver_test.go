package programs

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
)

// resolver answers look-ups of every name: each with what the function says, which
// is told how many look-ups there were before.
type resolver struct {
	lookups atomic.Int32
	answer  func(lookup int) []string
}

// resolving has names of this process looked up at a resolver.
func resolving(t *testing.T, answer func(lookup int) []string) *resolver {
	r := &resolver{answer: answer}
	former := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = former })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go r.serve(server)
		return client, nil
	}}
	return r
}

const (
	typeA    = 1
	typeAAAA = 28
)

// serve answers one question, as over TCP (RFC 1035, section 4.2.2).
func (r *resolver) serve(conn net.Conn) {
	defer conn.Close()
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	asked := binary.BigEndian.Uint16(query[end+1:])

	message := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	for _, address := range r.answer(int(r.lookups.Add(1)) - 1) {
		ip := netip.MustParseAddr(address)
		if ip.Is4() != (asked == typeA) || asked != typeA && asked != typeAAAA {
			continue
		}
		message = append(message, 0xc0, 12, 0, byte(asked), 0, 1, 0, 0, 0, 0, 0, byte(len(ip.AsSlice())))
		message = append(message, ip.AsSlice()...)
		message[7]++
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
}

// listening are the connections that come to the port of https on this machine: to
// one that stands for it, since nobody but root has that.
func listening(t *testing.T) (port string, connections *atomic.Int32) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	connections = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, connections
}

// Attack 9: the name of a listed host may come to stand for any machine.
func TestResolverThatAnswersSpecialUseAddresses(t *testing.T) {
	port, connections := listening(t)
	for name, answers := range map[string][]string{
		"this machine":            {"127.0.0.1", "::1"},
		"another loopback":        {"127.5.5.5"},
		"any address of it":       {"0.0.0.0", "::"},
		"a private network":       {"10.0.0.1", "172.16.0.1", "192.168.0.1", "fd00::1"},
		"a shared network":        {"100.64.0.1"},
		"a link":                  {"169.254.1.1", "fe80::1"},
		"a cloud's metadata":      {"169.254.169.254", "fd00:ec2::254"},
		"a site of former times":  {"fec0::1"},
		"documentation":           {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
		"a benchmark":             {"198.18.0.1", "2001:2::1"},
		"many":                    {"224.0.0.1", "255.255.255.255", "ff02::1"},
		"nobody yet":              {"240.0.0.1", "4000::1"},
		"protocols":               {"192.0.0.8", "2001::1", "5f00::1"},
		"IPv4 in IPv6":            {"::ffff:127.0.0.1", "::ffff:169.254.169.254"},
		"IPv4 at the end of IPv6": {"::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1"},
		"IPv4 inside IPv6":        {"2002:7f00:1::1", "2001:0:7f00:1::"},
	} {
		for _, address := range answers {
			r := resolving(t, func(int) []string { return []string{address} })
			_, err := newDocumentFetcher().fetch(t.Context(), "https://claude.ai:"+port+"/client")
			if !errors.Is(err, errSpecialUse) {
				t.Errorf("%s, %s: %v", name, address, err)
			}
			if r.lookups.Load() == 0 {
				t.Fatalf("%s: nobody looked the name up", address)
			}
		}
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("connected to %d times", n)
	}
}

// Attack 9: a name stands for a harmless address when it is looked up first, and for
// this machine when it is connected to; or for both at once, so that the second is
// tried when the first does not answer.
func TestRebindingBetweenLookUpAndConnection(t *testing.T) {
	port, connections := listening(t)
	const harmless = "8.8.8.8"
	errNotHere := errors.New("a test connects to nobody else")
	var reached []string
	dialer := &net.Dialer{Control: func(network, address string, conn syscall.RawConn) error {
		if err := refuseSpecialUse(network, address, conn); err != nil {
			return err
		}
		reached = append(reached, address)
		return errNotHere
	}}
	f := newDocumentFetcherWith(dialer, nil)
	for name, answer := range map[string]func(lookup int) []string{
		"from one look-up to the next": func(lookup int) []string {
			if lookup < 2 { // for each family
				return []string{harmless}
			}
			return []string{"127.0.0.1"}
		},
		"in one answer, at its end":       func(int) []string { return []string{harmless, "127.0.0.1", "::1"} },
		"in one answer, at its beginning": func(int) []string { return []string{"::1", "127.0.0.1", harmless} },
	} {
		resolving(t, answer)
		reached = nil
		for range 3 {
			if _, err := f.fetch(t.Context(), "https://claude.ai:"+port+"/client"); !errors.Is(err, errSpecialUse) && !errors.Is(err, errNotHere) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, address := range reached {
			if address != net.JoinHostPort(harmless, port) {
				t.Errorf("%s: %s is reached", name, address)
			}
		}
		if len(reached) == 0 {
			t.Errorf("%s: the harmless address is not reached", name)
		}
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("this machine was connected to %d times", n)
	}
}
