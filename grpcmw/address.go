package grpcmw

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/peer"
)

// An address is where something is. The port is 0 if it has none.
type address struct {
	host string
	port int
}

// splitAddress splits "host:port", "[v6]:port", and either without a port, without allocation.
func splitAddress(hostPort string) address {
	i := strings.LastIndexByte(hostPort, ':')
	if i >= 0 && (strings.IndexByte(hostPort, ':') == i || hostPort[i-1] == ']') {
		if n, err := strconv.ParseUint(hostPort[i+1:], 10, 16); err == nil {
			return address{strings.Trim(hostPort[:i], "[]"), int(n)}
		}
	}
	return address{host: strings.Trim(hostPort, "[]")}
}

// addressOf returns the address of a connection's other end.
func addressOf(a net.Addr) address {
	switch a := a.(type) {
	case nil:
		return address{}
	case *net.TCPAddr:
		return address{a.AddrPort().Addr().Unmap().String(), a.Port}
	}
	return splitAddress(a.String())
}

// peers keeps the text of the last peer's address: nearly always the next call has the same one, and
// in a mesh it is the proxy.
type peers struct{ last atomic.Pointer[knownPeer] }

type knownPeer struct {
	addr *net.TCPAddr // all calls on a connection have the same pointer
	text address
}

// address returns the address of a connection's other end.
func (p *peers) address(a net.Addr) address {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return addressOf(a)
	}
	if last := p.last.Load(); last != nil && last.addr == tcp {
		return last.text
	}
	known := &knownPeer{tcp, addressOf(tcp)}
	p.last.Store(known)
	return known.text
}

// clientAddress returns the address of the client that sent the call with the given context.
func (p *peers) clientAddress(ctx context.Context, from *peer.Peer) address {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		return c.client
	}
	if from == nil {
		return address{}
	}
	return p.address(from.Addr)
}

// A connection is the context of a connection to a server. The calls on it share the text of the
// client's address.
type connection struct {
	context.Context
	client address
}

type connectionKey struct{}

// Value returns c to those who look for it, and otherwise what the context below has.
func (c *connection) Value(key any) any {
	if key == (connectionKey{}) {
		return c
	}
	return c.Context.Value(key)
}
