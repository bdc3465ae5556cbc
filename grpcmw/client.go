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
	"github.com/meshtrace/meshtrace/internal/seam"
)

// start is the beginning of a call that goes out: decide, start, inject. Its context is the one
// that the call goes out with, whether or not anybody observes it.
func (c *client) start(ctx context.Context, fullMethod string, to address) rpc {
	if seam.IsUntraced(ctx) {
		return rpc{Context: ctx}
	}
	out := departure{ctx: ctx, method: methodOf(fullMethod), to: to}
	if c.cfg.Skip(ctx, out.method) {
		return rpc{Context: c.inject(ctx, to)}
	}
	ctx, span := c.startSpan(&out)
	call := newRPC(c.inject(ctx, to), span, c.meters.Load(), out.method)
	call.to = to
	return call
}

// departure is a call as it is going to go out.
type departure struct {
	ctx    context.Context
	method string
	to     address
}

// startSpan starts the call's span, unless nobody would see it.
func (c *client) startSpan(out *departure) (context.Context, global.Span) {
	from := caller.Caller{Ctx: out.ctx}
	if c.cfg.Decide != nil {
		from = from.Decided(c.cfg.Decide(out.ctx, out.method))
	}
	t := c.tracers.Load()
	if t == nil || from.Decision == Drop {
		return from.Context(), global.Span{}
	}
	return startSpan(t, from.Ctx, seam.Start{
		Name:   out.method,
		Kind:   trace.SpanKindClient,
		Parent: from.Parent,
	}, func(dst []attribute.KeyValue) []attribute.KeyValue { return c.appendCall(dst, out) })
}

// appendCall appends what is known of a call before it goes out.
func (c *client) appendCall(dst []attribute.KeyValue, out *departure) []attribute.KeyValue {
	deadline, limited := out.ctx.Deadline()
	dst = appendMethod(dst, out.method, "")
	dst = appendServer(dst, out.to)
	dst = appendTimeout(dst, deadline, limited)
	if c.cfg.Capture.Request.empty() {
		return dst
	}
	md, _ := metadata.FromOutgoingContext(out.ctx)
	return c.cfg.Capture.Request.appendRequest(dst, md)
}

// inject returns a context with the metadata that a propagator writes for ctx. The metadata of ctx
// stays as it is.
func (c *client) inject(ctx context.Context, to address) context.Context {
	md := outgoings.Get()
	defer outgoings.Put(md)
	md.begin(ctx)
	propagator := c.propagators.Load()
	if byHost, ok := propagator.(seam.HostInjector); ok {
		byHost.InjectTo(ctx, to.host, md)
	} else {
		propagator.Inject(ctx, md)
	}
	return md.context(ctx)
}

// Client returns the option that makes a connection trace its calls: a [ClientHandler].
//
// It is one option and sees every attempt. The interceptors see less and cost less: see the
// package's documentation.
func Client(cfg ClientConfig) grpc.DialOption { return grpc.WithStatsHandler(ClientHandler(cfg)) }

// client is what the wirings of a [ClientConfig] have in common.
type client struct {
	cfg         ClientConfig
	tracers     *global.Tracers
	meters      *global.Kept[metric.MeterProvider, meters]
	propagators global.Propagators
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
