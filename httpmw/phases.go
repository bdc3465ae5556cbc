package httpmw

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// phases is what net/http tells of a request on its way. It tells it from several goroutines, and
// goes on with a connection that another one has overtaken when the request has long been sent.
type phases struct {
	mu sync.Mutex

	dns, connect, tls, wait phase
	connections             int // that the request was tried on
	reused                  bool
	peer                    string
}

// phase is a stretch of time, on clock's scale. It begins again until it has ended once.
type phase struct{ began, ended time.Duration }

func (p *phase) begin() {
	if p.ended == 0 {
		p.began = clock()
	}
}

func (p *phase) end() {
	if p.began != 0 && p.ended == 0 {
		p.ended = clock()
	}
}

// follow returns a context whose request tells p. A trace that ctx has already is told too.
func (p *phases) follow(ctx context.Context) context.Context {
	note := func(f func()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { note(p.dns.begin) },
		DNSDone:           func(httptrace.DNSDoneInfo) { note(p.dns.end) },
		ConnectStart:      func(string, string) { note(p.connect.begin) },
		ConnectDone:       func(string, string, error) { note(p.connect.end) },
		TLSHandshakeStart: func() { note(p.tls.begin) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { note(p.tls.end) },
		GotConn: func(info httptrace.GotConnInfo) {
			note(func() {
				p.wait.begin() // over HTTP/2 the answer may begin before the request has ended
				p.connections++
				p.reused, p.peer = info.Reused, info.Conn.RemoteAddr().String()
			})
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { note(p.wait.begin) },
		GotFirstResponseByte: func() { note(p.wait.end) },
	})
}

// Attributes for which the semantic conventions have no name.
const (
	firstByteKey = attribute.Key("meshtrace.time_to_first_byte_ms")
	dnsKey       = attribute.Key("meshtrace.dns_ms")
	connectKey   = attribute.Key("meshtrace.connect_ms")
	tlsKey       = attribute.Key("meshtrace.tls_ms")
	waitKey      = attribute.Key("meshtrace.wait_ms")
	reusedKey    = attribute.Key("meshtrace.connection_reused")
	triesKey     = attribute.Key("meshtrace.connections_tried")
)

// append appends what is known of the phases. A nil p knows nothing.
func (p *phases) append(dst []attribute.KeyValue) []attribute.KeyValue {
	if p == nil {
		return dst
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range []struct {
		key attribute.Key
		phase
	}{{dnsKey, p.dns}, {connectKey, p.connect}, {tlsKey, p.tls}, {waitKey, p.wait}} {
		if part.ended != 0 {
			dst = append(dst, part.key.Float64(milliseconds(part.ended-part.began)))
		}
	}
	if p.connections > 0 {
		dst = append(dst, reusedKey.Bool(p.reused))
		host, port := splitHostPort(p.peer)
		dst = appendPeer(dst, host, port)
	}
	if p.connections > 1 {
		dst = append(dst, triesKey.Int(p.connections))
	}
	return dst
}

// milliseconds returns d as a span's attribute has it, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
