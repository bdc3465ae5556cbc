package grpcmw

import (
	"context"
	"net"
	"strconv"
	"strings"

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

// clientAddress returns the address of the client that sent the call with the given context.
func clientAddress(ctx context.Context, p *peer.Peer) address {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		return c.client
	}
	if p == nil {
		return address{}
	}
	return addressOf(p.Addr)
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
