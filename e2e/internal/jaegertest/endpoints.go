package jaegertest

import (
	"errors"
	"fmt"
	"net"
)

// Endpoints are the addresses on which Jaeger listens, each as host:port.
type Endpoints struct {
	OTLPGRPC      string
	OTLPHTTP      string
	ThriftHTTP    string
	ThriftCompact string // UDP
	ThriftBinary  string // UDP
	ModelGRPC     string // Jaeger's api_v2
	Zipkin        string
	QueryHTTP     string
	QueryGRPC     string
	SamplingHTTP  string
	SamplingGRPC  string
	Health        string
	Metrics       string
}

// freeEndpoints returns endpoints whose ports are different and free on the loopback interface.
// They are held for nobody: another process may take one before Jaeger does.
func freeEndpoints() (Endpoints, error) {
	var e Endpoints
	var held holder
	defer held.release()
	for _, addr := range []*string{
		&e.OTLPGRPC, &e.OTLPHTTP, &e.ThriftHTTP, &e.ThriftCompact, &e.ThriftBinary, &e.ModelGRPC, &e.Zipkin,
		&e.QueryHTTP, &e.QueryGRPC, &e.SamplingHTTP, &e.SamplingGRPC, &e.Health, &e.Metrics,
	} {
		var err error
		if *addr, err = held.hold(); err != nil {
			return Endpoints{}, fmt.Errorf("jaegertest: no free port: %w", err)
		}
	}
	return e, nil
}

// A holder occupies ports, so that none of them is found free twice.
type holder struct {
	held []interface{ Close() error }
}

// hold occupies a port, for TCP as well as for UDP, and returns its address.
func (h *holder) hold() (string, error) {
	var errs []error
	for range 10 { // the port that TCP has free may be taken for UDP
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		h.held = append(h.held, tcp)
		addr := tcp.Addr().String()
		udp, err := net.ListenPacket("udp4", addr)
		if err == nil {
			h.held = append(h.held, udp)
			return addr, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

func (h *holder) release() {
	for _, l := range h.held {
		l.Close()
	}
}
