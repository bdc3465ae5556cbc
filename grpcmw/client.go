package grpcmw

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/internal/caller"
	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// start is the beginning of a call that goes out: decide, start, inject. Its context is the one
// that the call goes out with, whether or not anybody observes it.
func (c *client) start(ctx context.Context, fullMethod string, to address) rpc {
	if seam.IsUntraced(ctx) {
		return rpc{Context: ctx}
	}
	d := departure{client: c, ctx: ctx, method: methodOf(fullMethod), to: to}
	if c.cfg.Skip(ctx, d.method) {
		return rpc{Context: c.inject(ctx, to)}
	}
	ctx, span := c.startSpan(d)
	call := newRPC(c.inject(ctx, to), span, c.meters.Load(), d.method)
	call.to = to
	return call
}

// startSpan starts the call's span, unless nobody would see it.
func (c *client) startSpan(d departure) (context.Context, global.Span) {
	from := caller.Caller{Ctx: d.ctx}
	if c.cfg.Decide != nil {
		from = from.Decided(c.cfg.Decide(d.ctx, d.method))
	}
	t := c.tracers.Load()
	if t == nil || from.Decision == Drop {
		return from.Context(), global.Span{}
	}
	subject := departures.Get()
	defer departures.Put(subject)
	*subject = d
	return t.Start(from.Ctx, &seam.Start{
		Name:    d.method,
		Kind:    trace.SpanKindClient,
		Parent:  from.Parent,
		Subject: subject,
	})
}

// departure is a call as it is going to go out, as the subject of its span.
type departure struct {
	*client
	ctx    context.Context
	method string
	to     address
}

// departures keeps them for the next call: nobody needs one once the span has started.
var departures = pool.Pool[departure]{Reset: func(d *departure) bool {
	*d = departure{}
	return true
}}

// AppendAttributes appends what is known of a call before it goes out.
func (d *departure) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	deadline, limited := d.ctx.Deadline()
	dst = appendMethod(dst, d.method, "")
	dst = appendServer(dst, d.to)
	dst = appendTimeout(dst, deadline, limited)
	if d.cfg.Capture.Request.list.Empty() {
		return dst
	}
	md, _ := metadata.FromOutgoingContext(d.ctx)
	return d.cfg.Capture.Request.list.AppendRequest(dst, md)
}

// inject returns a context with the metadata that a propagator writes for ctx. The metadata of ctx
// stays as it is.
func (c *client) inject(ctx context.Context, to address) context.Context {
	md := outgoings.Get()
	defer outgoings.Put(md)
	md.begin(ctx)
	c.propagators.Inject(ctx, to.host, md)
	return md.context(ctx)
}

// Client returns the option that makes a connection trace its calls: the [ClientInterceptors] as one
// option. They run ahead of those in later options.
//
// A [ClientHandler] beside it adds what interceptors do not see, above all the attempts at a call.
// Should a later gRPC not let interceptors be one option, a ClientHandler takes their place.
func Client(cfg ClientConfig) grpc.DialOption {
	return join(ClientInterceptors(cfg), grpc.WithStatsHandler(ClientHandler(cfg)))
}

// client is what the wirings of a [ClientConfig] have in common.
type client struct {
	cfg         ClientConfig
	tracers     *global.Tracers
	meters      *global.Kept[metric.MeterProvider, meters]
	propagators global.Propagators
	peers       peers
}

func newClient(cfg ClientConfig) *client {
	if cfg.Skip == nil {
		cfg.Skip = Probes
	}
	return &client{
		cfg:         cfg,
		tracers:     newTracers(cfg.TracerProvider),
		meters:      newClientMeters(cfg.MeterProvider),
		propagators: global.NewPropagators(cfg.Propagator),
	}
}
