package sockets_test

import (
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/e2e/internal/sockets"
)

var ofTests = []struct {
	rule    string
	network string
	open    func(network string) (io.Closer, net.Addr, error)
	want    bool
}{
	{"TCP on IPv4 loopback", "tcp4", listen("127.0.0.1:0"), true},
	{"TCP on every IPv4 interface", "tcp4", listen("0.0.0.0:0"), true},
	{"TCP on IPv6 loopback", "tcp6", listen("[::1]:0"), true},
	{"TCP on every interface", "tcp6", listen("[::]:0"), true},
	{"UDP on IPv4 loopback", "udp4", listen("127.0.0.1:0"), true},
	{"UDP on every IPv4 interface", "udp4", listen("0.0.0.0:0"), true},
	{"UDP on IPv6 loopback", "udp6", listen("[::1]:0"), true},
	{"connected UDP takes from its peer alone", "udp4", dial, false},
	{"a closed socket is none", "tcp4", closed, false},
}

func TestOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	for _, tt := range ofTests {
		t.Run(tt.rule, func(t *testing.T) {
			socket, addr, err := tt.open(tt.network)
			if err != nil {
				t.Skip(err) // a machine without IPv6
			}
			defer socket.Close()
			all, err := sockets.Of(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			s := sockets.Socket{Network: tt.network, Addr: netip.MustParseAddrPort(addr.String())}
			if got := slices.Contains(all, s); got != tt.want {
				t.Errorf("Of(this process) = %v; has %v: %t, want %t", all, s, got, tt.want)
			}
		})
	}
}

func TestOfUnknownProcess(t *testing.T) {
	if all, err := sockets.Of(1 << 30); err == nil {
		t.Errorf("Of(no process) = %v, want an error", all)
	}
}

func listen(addr string) func(string) (io.Closer, net.Addr, error) {
	return func(network string) (io.Closer, net.Addr, error) {
		if strings.HasPrefix(network, "udp") {
			c, err := net.ListenPacket(network, addr)
			if err != nil {
				return nil, nil, err
			}
			return c, c.LocalAddr(), nil
		}
		l, err := net.Listen(network, addr)
		if err != nil {
			return nil, nil, err
		}
		return l, l.Addr(), nil
	}
}

func dial(network string) (io.Closer, net.Addr, error) {
	c, err := net.Dial(network, "127.0.0.1:9")
	if err != nil {
		return nil, nil, err
	}
	return c, c.LocalAddr(), nil
}

func closed(network string) (io.Closer, net.Addr, error) {
	l, addr, err := listen("127.0.0.1:0")(network)
	if err == nil {
		l.Close()
	}
	return l, addr, err
}
