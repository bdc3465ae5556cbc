package grpcmw

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/meshtrace/meshtrace/internal/caller"
	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// start is the beginning of a call that came in: extract, decide, start. Its context is the one
// for the handler, whether or not anybody observes the call.
func (s *server) start(ctx context.Context, fullMethod string) rpc {
	return s.startArrival(arrival{server: s, ctx: ctx, md: incoming(ctx), method: methodOf(fullMethod)})
}

func (s *server) startArrival(a arrival) rpc {
	from := s.extract(&a)
	if s.cfg.Skip(a.ctx, a.method) {
		return rpc{Context: from.Context()}
	}
	ctx, span := s.startSpan(from, a)
	return newRPC(ctx, span, s.meters.Load(), a.method)
}

// extract reads the caller's context from the metadata. Inside a span of this process, as that of
// an HTTP middleware around grpc.Server.ServeHTTP, that span is the parent.
func (s *server) extract(a *arrival) caller.Caller {
	if caller.Inside(a.ctx) {
		return caller.Caller{Ctx: a.ctx}
	}
	c := s.read(a)
	if s.isPublic(a) {
		c = c.Stranger(a.ctx)
	}
	if s.cfg.Decide != nil {
		c = c.Decided(s.cfg.Decide(a.ctx, a.method))
	}
	return c
}

// read reads what the metadata says of who called.
func (s *server) read(a *arrival) caller.Caller {
	propagator := s.propagators.Load()
	if fast, ok := propagator.(seam.MetadataExtractor); ok {
		if sc, plain := fast.ExtractMetadata(a.md); plain {
			return caller.Caller{Ctx: a.ctx, Parent: sc}
		}
	}
	return caller.Read(a.ctx, propagator.Extract(a.ctx, a.md))
}

// isPublic reports whether whoever called is a stranger.
func (s *server) isPublic(a *arrival) bool {
	if s.cfg.PublicCall != nil {
		return s.cfg.PublicCall(a.ctx, a.method)
	}
	return s.cfg.Public
}

// startSpan starts the call's span, unless nobody would see it.
func (s *server) startSpan(from caller.Caller, a arrival) (context.Context, global.Span) {
	t := s.tracers.Load()
	if t == nil || from.Decision == Drop {
		return from.Context(), global.Span{}
	}
	subject := arrivals.Get()
	defer arrivals.Put(subject)
	*subject = a
	subject.debugID = from.DebugID
	return t.Start(from.Ctx, &seam.Start{
		Name:    a.name(),
		Kind:    trace.SpanKindServer,
		Parent:  from.Parent,
		NewRoot: from.Public,
		Links:   from.Links,
		Subject: subject,
	})
}

// arrival is a call as it came in, as the subject of its span.
type arrival struct {
	*server
	ctx     context.Context
	md      received
	method  string // as the client calls it
	madeUp  bool   // the server has no such method
	debugID string
}

// arrivals keeps them for the next call: nobody needs one once the span has started.
var arrivals = pool.Pool[arrival]{Reset: func(a *arrival) bool {
	*a = arrival{}
	return true
}}

// name returns the name of the call's span.
//
// Spec: OpenTelemetry semantic conventions, RPC spans, Name,
// https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/#name
func (a *arrival) name() string {
	if a.madeUp {
		return systemName
	}
	return a.method
}

// AppendAttributes appends what is known of a call before it is served.
func (a *arrival) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	from, _ := peer.FromContext(a.ctx)
	client := a.peers.clientAddress(a.ctx, from)
	deadline, limited := a.ctx.Deadline()
	if a.madeUp {
		dst = appendMethod(dst, otherMethod, a.method)
	} else {
		dst = appendMethod(dst, a.method, "")
	}
	dst = appendServer(dst, splitAddress(first(a.md[":authority"])))
	dst = appendClient(dst, client)
	dst = appendPeer(dst, client)
	dst = appendTimeout(dst, deadline, limited)
	dst = appendText(dst, debugIDKey, a.debugID)
	dst = appendPrevious(dst, first(a.md[previousAttempts]))
	if a.cfg.PeerIdentity {
		dst = appendText(dst, peerIdentityKey, identity(from, a.md))
	}
	return a.cfg.Capture.Request.list.AppendRequest(dst, a.md)
}

// previousAttempts is where a client says how often it has tried the call before.
//
// Spec: gRFC A6, Client Retries, https://github.com/grpc/proposal/blob/master/A6-client-retries.md
const previousAttempts = "grpc-previous-rpc-attempts"

// linkerdClientID is where Linkerd's proxy says whose certificate it has verified.
const linkerdClientID = "l5d-client-id"

// identity returns who called: whose certificate the client has, or what the proxy says of it.
func identity(p *peer.Peer, md received) string {
	if p != nil {
		if tls, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			switch {
			case tls.SPIFFEID != nil:
				return tls.SPIFFEID.String()
			case len(tls.State.PeerCertificates) > 0:
				return tls.State.PeerCertificates[0].Subject.String()
			}
		}
	}
	return first(md[linkerdClientID])
}

// served is a call that is served under observation.
type served struct {
	rpc
	*server
	traffic  traffic
	streams  bool    // there may be several requests or responses
	returned bool    // the handler did: it neither panicked nor left by runtime.Goexit
	thrown   *thrown // what it panicked with, if a stats handler is going to hear of the end
}

// leave ends a call with the error of its handler. A panic goes on with the same value. It must be
// deferred itself, or it would not see the panic.
func (c *served) leave(err *error) {
	recovered := recover()
	if c.returned {
		c.end(serverOutcome(*err))
		return
	}
	c.end(abortedOutcome(caught(recovered)))
	if recovered != nil {
		panic(recovered)
	}
}

// passPanic keeps a panic for the end of the call, of which a stats handler is going to hear. The
// panic goes on with the same value. It must be deferred itself.
func (c *served) passPanic() {
	if recovered := recover(); recovered != nil {
		c.thrown = caught(recovered)
		panic(recovered)
	}
}

// receive and send count messages.
func (c *served) receive(m message) { c.traffic.receive(c.span, m, c.cfg.MessageEvents) }
func (c *served) send(m message)    { c.traffic.send(c.span, m, c.cfg.MessageEvents) }

// end ends the call.
func (c *served) end(out outcome) {
	c.rpc.end(&out, time.Time{}, func(dst []attribute.KeyValue) []attribute.KeyValue {
		dst = appendTraffic(dst, &c.traffic, c.streams)
		if c.cfg.StatusDetails {
			dst = appendDetails(dst, out.status)
		}
		return dst
	})
}

// Server returns the option that makes a server trace its calls: the [ServerInterceptors] as one
// option, ahead of those in later options, and what records calls of methods that do not exist.
//
// Those are answered by a grpc.UnknownServiceHandler of ours, unless the application has one, in an
// earlier or a later option. The client is told what gRPC tells it, but that the message leaves open
// whether it is the service or the method that does not exist. No interceptor sees such a call. A stats
// handler in a later option is told that it begins and ends, where gRPC says only that it came; with
// one in an earlier option, such calls are left to gRPC. Not recorded are those that gRPC refuses before
// it calls any handler, as for a compression that the server does not have. To channelz and in a binary
// log, which pass over such calls otherwise, they are calls.
//
// A [ServerHandler] in an earlier option adds what interceptors do not see. Should a later gRPC not let
// interceptors be one option, a ServerHandler takes their place.
func Server(cfg Config) grpc.ServerOption {
	s := newServer(cfg)
	return join([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.streamKnown), unknownHandler(s.unknown),
	}, grpc.StatsHandler(&serverHandler{s}))
}

// server is what the wirings of a [Config] have in common.
type server struct {
	cfg         Config
	tracers     *global.Tracers
	meters      *global.Kept[metric.MeterProvider, meters]
	propagators global.Propagators
	peers       peers
}

func newServer(cfg Config) *server {
	if cfg.Skip == nil {
		cfg.Skip = Probes
	}
	return &server{
		cfg:         cfg,
		tracers:     newTracers(cfg.TracerProvider),
		meters:      newServerMeters(cfg.MeterProvider),
		propagators: global.NewPropagators(cfg.Propagator),
	}
}

// scope is the instrumentation scope of all that this package records.
const scope = "github.com/meshtrace/meshtrace/grpcmw"

func newTracers(provider trace.TracerProvider) *global.Tracers {
	return global.NewTracers(provider, scope, trace.WithSchemaURL(schemaURL))
}
