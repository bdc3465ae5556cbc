package httpmw

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// ServeHTTP is the life of a request: extract, start, serve, describe, end.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := h.extract(r)
	tracer := h.tracers.Load()
	if tracer == nil || h.cfg.Skip != nil && h.cfg.Skip(r) {
		h.pass(w, r, caller.context())
		return
	}
	pattern := h.pattern(tracer, r)
	ctx, span := h.start(tracer, caller, r, pattern)
	if !span.IsRecording() { // not sampled: pass the context on, observe nothing
		h.pass(w, r, ctx)
		span.End()
		return
	}
	x, w := observe(w, ctx, r)
	x.tracer, x.span, x.pattern = tracer, span, pattern
	defer x.end() // deferred: a panic is described too
	h.next.ServeHTTP(w, x.inner)
	x.returned = true
}

// pass serves a request that nobody observes.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, ctx context.Context) {
	if ctx == r.Context() {
		h.next.ServeHTTP(w, r)
		return
	}
	inner := r.WithContext(ctx)
	defer handBack(r, inner)
	h.next.ServeHTTP(w, inner)
}

// handBack gives a request what the handler left on its copy, as if there had been no copy.
// net/http deletes the temporary files of the form it knows of, and a middleware further out may
// look at what the handler has parsed, or the mux has matched.
func handBack(r, inner *http.Request) {
	r.Pattern = inner.Pattern
	r.Form, r.PostForm, r.MultipartForm = inner.Form, inner.PostForm, inner.MultipartForm
}

// New returns a middleware that works as cfg says. It is safe for concurrent use.
func New(cfg Config) *Middleware {
	return &Middleware{
		cfg:         cfg,
		tracers:     newTracers(cfg.TracerProvider),
		propagators: global.NewPropagators(cfg.Propagator),
	}
}

// Middleware traces the requests of the handlers that it wraps.
type Middleware struct {
	cfg         Config
	tracers     *global.Tracers
	propagators global.Propagators
}

// Wrap returns a handler that runs next inside a server span. It is New(Config{}).Wrap(next).
func Wrap(next http.Handler) http.Handler { return New(Config{}).Wrap(next) }

// Wrap returns a handler that runs next inside a server span.
//
// If next is a [*http.ServeMux], the sampler already knows the route. Otherwise the route is what
// the request's Pattern says when next has returned.
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

// caller is what a request says of who sent it.
type caller struct {
	ctx    context.Context   // the request's, with what the propagator put there
	parent trace.SpanContext // if valid, a remote parent that is not in ctx

	public   bool
	stranger trace.SpanContext // if valid, a remote span to link to and not to follow
}

// context returns the context for a request that has no span of its own.
func (c caller) context() context.Context {
	if !c.parent.IsValid() {
		return c.ctx
	}
	return trace.ContextWithRemoteSpanContext(c.ctx, c.parent)
}

// extract reads the caller's context from the headers. Inside the span of another middleware, as
// when a handler is wrapped twice, that span is the parent: it has read the headers already.
func (h *handler) extract(r *http.Request) caller {
	ctx := r.Context()
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && !sc.IsRemote() {
		return caller{ctx: ctx}
	}
	extracted, sc := h.propagators.Extract(ctx, r.Header)
	if !h.isPublic(r) {
		return caller{ctx: extracted, parent: sc}
	}
	if !sc.IsValid() {
		sc = trace.SpanContextFromContext(extracted)
	}
	return caller{ctx: ctx, public: true, stranger: sc.WithTraceState(trace.TraceState{})}
}

// isPublic reports whether whoever sent r is a stranger.
func (h *handler) isPublic(r *http.Request) bool {
	if h.cfg.PublicRequest != nil {
		return h.cfg.PublicRequest(r)
	}
	return h.cfg.Public
}

// start starts the request's span. A sampler that asks for attributes gets them; otherwise they
// are built only for a span that records.
func (h *handler) start(t *global.Tracer, c caller, r *http.Request, pattern string) (context.Context, trace.Span) {
	s := seam.Start{Name: spanName(r.Method, pattern), Kind: trace.SpanKindServer, Parent: c.parent, NewRoot: c.public}
	if c.stranger.IsValid() {
		s.Links = []trace.Link{{SpanContext: c.stranger}}
	}
	asks := t.AsksAttributes()
	if asks {
		attrs := scratches.Get()
		defer scratches.Put(attrs)
		attrs.list = h.appendRequest(attrs.list, r, pattern)
		s.Attrs = attrs.list
	}
	ctx, span := t.Start(c.ctx, s)
	if !asks && span.IsRecording() {
		attrs := scratches.Get()
		defer scratches.Put(attrs)
		attrs.list = h.appendRequest(attrs.list, r, pattern)
		t.SetAttributes(span, attrs.list)
	}
	return ctx, span
}

// scope is the instrumentation scope of all that this package records.
const scope = "github.com/meshtrace/meshtrace/httpmw"

func newTracers(provider trace.TracerProvider) *global.Tracers {
	return global.NewTracers(provider, scope, trace.WithSchemaURL(schemaURL))
}
