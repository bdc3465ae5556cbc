package httpmw

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/caller"
	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

// ServeHTTP is the life of a request: extract, start, serve, describe, end.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := h.extract(r)
	if h.cfg.Skip != nil && h.cfg.Skip(r) {
		pass(h.next, w, r, from.Context())
		return
	}
	ctx, span, route := h.start(from, r)
	if h.cfg.ResponseHeaders && !from.Public {
		propagation.InjectResponse(w.Header(), trace.SpanContextFromContext(ctx))
	}
	meters := h.meters.Load()
	if !span.IsRecording() && meters == nil { // pass the context on, observe nothing
		pass(h.next, w, r, ctx)
		span.End()
		return
	}
	x, w := h.observe(ctx, w, r)
	x.span, x.meters, x.path = span, meters, route.path
	x.begin()
	defer x.end() // deferred: a panic is described too
	h.next.ServeHTTP(w, x.inner)
	x.returned = true
}

// pass serves a request that nobody observes.
func pass(next http.Handler, w http.ResponseWriter, r *http.Request, ctx context.Context) {
	if caller.Same(ctx, r.Context()) {
		next.ServeHTTP(w, r)
		return
	}
	inner := r.WithContext(ctx)
	defer handBack(r, inner)
	next.ServeHTTP(w, inner)
}

// handBack gives a request what the handler left on its copy, as if there had been no copy.
// net/http deletes the temporary files of the form it knows of, and a middleware further out may
// look at what the handler has parsed, or the mux has matched. What the handler left alone is not
// written: somebody may be reading it.
func handBack(r, inner *http.Request) {
	if r.Pattern != inner.Pattern {
		r.Pattern = inner.Pattern
	}
	if inner.Form != nil || inner.PostForm != nil || inner.MultipartForm != nil {
		r.Form, r.PostForm, r.MultipartForm = inner.Form, inner.PostForm, inner.MultipartForm
	}
}

// New returns a middleware that works as cfg says. It is safe for concurrent use.
func New(cfg Config) *Middleware {
	return &Middleware{
		cfg:         cfg,
		tracers:     newTracers(cfg.TracerProvider),
		meters:      newMeters(cfg.MeterProvider, newServerMeters),
		propagators: global.NewPropagators(cfg.Propagator),
		secrets:     newSecrets(cfg.SecretQueryKeys),
	}
}

// Middleware traces the requests of the handlers that it wraps.
type Middleware struct {
	cfg         Config
	tracers     *global.Tracers
	meters      *global.Kept[metric.MeterProvider, serverMeters]
	propagators global.Propagators
	secrets     secrets
}

// Wrap returns a handler that runs next inside a server span. It is New(Config{}).Wrap(next).
func Wrap(next http.Handler) http.Handler { return New(Config{}).Wrap(next) }

// Wrap returns a handler that runs next inside a server span.
//
// If next is a [*http.ServeMux], the sampler already knows the route. Otherwise the route is what
// the request's Pattern says when next has returned. If there are middlewares between this one and
// a mux, and they copy the request, the pattern is lost on the way: put [Routes] around the mux.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	mux, _ := next.(*http.ServeMux)
	return &handler{Middleware: m, next: next, mux: mux}
}

// handler is a handler with the middleware around it.
type handler struct {
	*Middleware
	next http.Handler
	mux  *http.ServeMux // next, if it is one
}

// start starts the request's span, unless nobody would see it.
func (h *handler) start(from caller.Caller, r *http.Request) (context.Context, global.Span, route) {
	t := h.tracers.Load()
	if t == nil || from.Decision == Drop {
		return from.Context(), global.Span{}, route{}
	}
	in := incomings.Get()
	defer incomings.Put(in)
	*in = incoming{h.Middleware, r, from.DebugID, h.routeBefore(r, t.AsksAttributes())}
	ctx, span := t.Start(from.Ctx, &seam.Start{
		Name:    h.spanName(r, in.route),
		Kind:    trace.SpanKindServer,
		Parent:  from.Parent,
		NewRoot: from.Public,
		Links:   from.Links,
		Subject: in,
		Time:    h.startTime(r),
	})
	return ctx, span, in.route
}

// scope is the instrumentation scope of all that this package records.
const scope = "github.com/meshtrace/meshtrace/httpmw"

func newTracers(provider trace.TracerProvider) *global.Tracers {
	return global.NewTracers(provider, scope, trace.WithSchemaURL(schemaURL))
}

func newMeters[Meters any](provider metric.MeterProvider, build func(metric.Meter) *Meters) *global.Kept[metric.MeterProvider, Meters] {
	return global.NewMeters(provider, scope, build, metric.WithSchemaURL(schemaURL))
}
