package linkerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Config says which pod the proxy belongs to. The zero value is a proxy without tracing, whose
// application receives nothing.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Mode is the generation of the proxy. Default: [Modern].
	Mode Mode

	// App is the host:port of the application, which is sent all inbound requests. Without it
	// they are answered with status 503.
	App string

	// Routes says where outbound requests go, by their Host header. What is not listed is
	// taken to be outside of the mesh, at the address that the header names.
	Routes map[string]Endpoint

	// Collector is the URL to which spans are posted as OTLP in protobuf, with its path.
	// Without one there is no tracing, and no header is touched.
	Collector string

	// FlushInterval is how long a span waits for others. Default: 10 seconds.
	FlushInterval time.Duration

	// Service is the resource's service.name. Since Linkerd 2.19 it is mostly that of the
	// application itself. Default: the resource has none.
	Service string

	// Hostname is the resource's host.name, the pod's name in a mesh.
	Hostname string

	// Attributes are added to the resource, and override it.
	Attributes map[string]string

	// ResponseTimeout is how long a response's header may take before the request is
	// answered with status 504. Default: no limit.
	ResponseTimeout time.Duration

	// Dial opens all connections, to the collector too. Default: TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// An Endpoint is where requests can be sent.
type Endpoint struct {
	// Addr is the host:port. Without it the service is known, but has no endpoint, and
	// requests are answered with status 503.
	Addr string

	// Meshed says that a proxy receives there. Requests are carried as HTTP/2 then.
	Meshed bool
}

// A Proxy is the Linkerd proxy of one pod. It is safe for concurrent use.
type Proxy struct {
	formats []format
	wire    wire
	sink    *sink
	in, out http.Handler
}

// New starts a proxy. [Proxy.Close] ends it.
//
// The error names every setting that is wrong.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Proxy{wire: newWire(cfg.Dial, cfg.ResponseTimeout)}
	if cfg.Collector != "" && cfg.Mode != Off {
		interval := cfg.FlushInterval
		if interval == 0 {
			interval = defaultInterval
		}
		p.formats = cfg.Mode.formats()
		p.sink = newSink(cfg.Collector, &http.Transport{DialContext: cfg.Dial}, newResource(cfg), interval)
	}
	p.in = p.inbound(Endpoint{Addr: cfg.App})
	p.out = p.outbound(maps.Clone(cfg.Routes))
	return p, nil
}

func (cfg Config) check() error {
	var errs []error
	if !cfg.Mode.valid() {
		errs = append(errs, fmt.Errorf("linkerd: Mode %d: not a mode", uint8(cfg.Mode)))
	}
	if cfg.Collector != "" {
		u, err := url.Parse(cfg.Collector)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("linkerd: Collector %q: want an http or https URL", cfg.Collector))
		}
	}
	if cfg.FlushInterval < 0 {
		errs = append(errs, fmt.Errorf("linkerd: FlushInterval %v: is negative", cfg.FlushInterval))
	}
	if cfg.ResponseTimeout < 0 {
		errs = append(errs, fmt.Errorf("linkerd: ResponseTimeout %v: is negative", cfg.ResponseTimeout))
	}
	return errors.Join(errs...)
}

// Inbound returns the side that receives for the application.
func (p *Proxy) Inbound() http.Handler { return p.in }

// Outbound returns the side through which the application sends. Its requests may be relative, as
// to any server, or absolute, as to a proxy.
func (p *Proxy) Outbound() http.Handler { return p.out }

// inbound builds the side that receives. Its first span sees the request as it came, its second
// as the application will.
func (p *Proxy) inbound(app Endpoint) http.Handler {
	fixed := func(*http.Request) Endpoint { return app }
	asReceived := func(req *http.Request) {
		if req.ProtoMajor == 2 { // always absolute, by :scheme and :authority
			makeAbsolute(req)
		}
	}
	return accept(asReceived,
		p.layer(inbound, tracepb.Span_SPAN_KIND_SERVER,
			rescueAll(
				downgrade(
					p.route(inbound, fixed)))))
}

// outbound builds the side that sends.
func (p *Proxy) outbound(routes map[string]Endpoint) http.Handler {
	byAuthority := func(req *http.Request) Endpoint {
		if e, ok := routes[req.Host]; ok {
			return e
		}
		return Endpoint{Addr: req.Host}
	}
	return accept(makeAbsolute,
		p.layer(outbound, tracepb.Span_SPAN_KIND_SERVER,
			rescueAll(
				p.route(outbound, byAuthority))))
}

// route sends a request to the endpoint that find chooses. A client span is an attempt there.
func (p *Proxy) route(d direction, find func(*http.Request) Endpoint) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		e := find(req)
		if e.Addr == "" {
			return nil, errNoEndpoint
		}
		attempt := p.layer(d, tracepb.Span_SPAN_KIND_CLIENT, rescueClient(p.wire.to(e)))
		return attempt.RoundTrip(req)
	})
}

func (p *Proxy) layer(d direction, kind tracepb.Span_SpanKind, next http.RoundTripper) http.RoundTripper {
	return &layer{formats: p.formats, direction: d, kind: kind, sink: p.sink, next: next}
}

// Dropped returns how many spans found the queue full. The real proxy does not count them.
func (p *Proxy) Dropped() int64 {
	if p.sink == nil {
		return 0
	}
	return p.sink.dropped.Load()
}

// Flush exports the spans of all requests that have been answered, and waits until the collector
// has them, or has refused them. The real proxy has no such thing.
//
// It returns ctx's error if that is done before.
func (p *Proxy) Flush(ctx context.Context) error {
	if p.sink == nil {
		return nil
	}
	return p.sink.flush(ctx)
}

// Close ends the export and loses what has not been exported, as the real proxy's shutdown does.
// Shut the servers of both sides down before.
func (p *Proxy) Close() {
	if p.sink != nil {
		p.sink.close()
	}
	p.wire.close()
}
