package exporter

// The exporter's own transport, and its connections.

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// A transport is the exporter's own: requests of [http.DefaultTransport] might be traced, and theirs
// are not to wait for ours. It can also close every connection.
type transport struct {
	*http.Transport
	dialer   net.Dialer
	patience time.Duration // for one write by HTTP/2; see [pipe]

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// writeBufferBytes is how much of a request of HTTP/1 is written at once. After net/http's own 4 KiB it
// copies and writes 32 KiB at a time; in a service that has other things to do, fewer and larger
// writes take a twentieth off what tracing adds (benchmarks, row server/sampled=yes).
const writeBufferBytes = 256 << 10

func newTransport(cfg Config, protocols *http.Protocols) *transport {
	t := &transport{patience: cfg.Timeout, open: make(map[net.Conn]struct{})}
	t.Transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            t.dial,
		TLSClientConfig:        cfg.TLS.Clone(),
		TLSHandshakeTimeout:    cfg.Timeout,
		Protocols:              protocols,
		ForceAttemptHTTP2:      true,
		WriteBufferSize:        writeBufferBytes,
		MaxIdleConnsPerHost:    cfg.Queue.InFlight,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswer,
	}
	if protocols == nil { // a pipe sees to that itself
		t.Transport.HTTP2 = &http.HTTP2Config{WriteByteTimeout: t.patience}
	} else if protocols.UnencryptedHTTP2() {
		t.Transport.Proxy = nil // those of the environment speak HTTP/1
	}
	return t
}

func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	t.open[conn] = struct{}{}
	c := &connection{conn, t}
	if t.Protocols != nil { // it is for gRPC
		return newPipe(c, t.patience), nil
	}
	return c, nil
}

// close closes all connections, for good. A connection of HTTP/2 is not idle for a while after its
// last request was cancelled, and if its server reads no more, for ever; then
// CloseIdleConnections would leave it open.
func (t *transport) close() {
	t.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for conn := range t.open {
		conn.Close()
	}
	clear(t.open)
}

// A connection is known to its transport until it is closed.
type connection struct {
	net.Conn
	transport *transport
}

func (c *connection) Close() error {
	c.transport.mu.Lock()
	delete(c.transport.open, c.Conn)
	c.transport.mu.Unlock()
	return c.Conn.Close()
}
