package exporter

// Writes of HTTP/2, put together.

import (
	"net"
	"sync"
	"time"
)

// A pipe is a connection that writes on a goroutine of its own, and so writes together what comes
// while a write is under way. net/http writes a frame of HTTP/2 at a time, of 16 KiB if the server
// has no say in it: 64 writes for a batch, which would make gRPC a quarter more expensive than HTTP/1
// (BenchmarkDelivery).
//
// What Write has taken is on its way, not sent: the next Write, or Read, has the error.
//
// A connection on which nothing can be written for a while is closed. net/http cancels a request by a frame
// of its own, for which there is no room either; so it would never call the connection idle, and give it
// all requests to come.
type pipe struct {
	net.Conn
	patience time.Duration // for one write

	mu      sync.Mutex
	changed sync.Cond
	pending []byte // to be written
	err     error  // why nothing will be written any more
}

// maxPending is how much waits to be written, give or take a frame.
const maxPending = 512 << 10

func newPipe(conn net.Conn, patience time.Duration) *pipe {
	p := &pipe{Conn: conn, patience: patience}
	p.changed.L = &p.mu
	go p.run()
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) >= maxPending && p.err == nil {
		p.changed.Wait()
	}
	if p.err != nil {
		return 0, p.err
	}
	p.pending = append(p.pending, b...)
	p.changed.Broadcast()
	return len(b), nil
}

// run writes until the pipe fails or is closed.
func (p *pipe) run() {
	var buf []byte
	for {
		var ok bool
		if buf, ok = p.take(buf[:0]); !ok {
			return
		}
		_ = p.Conn.SetWriteDeadline(time.Now().Add(p.patience)) // if it fails, so does Write
		if _, err := p.Conn.Write(buf); err != nil {
			p.end(err)
			p.Conn.Close() // for the reader to know
			return
		}
	}
}

// take waits for something to be written, and returns it in exchange for an empty buffer.
func (p *pipe) take(empty []byte) (pending []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) == 0 && p.err == nil {
		p.changed.Wait()
	}
	pending, p.pending = p.pending, empty
	p.changed.Broadcast()
	return pending, p.err == nil
}

func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.changed.Broadcast()
}

func (p *pipe) Close() error {
	p.end(net.ErrClosed)
	return p.Conn.Close()
}
