package propagation

import (
	"context"
	"strings"
	"unsafe"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TraceContext is the propagator of the W3C's headers traceparent and tracestate.
//
// A request with several traceparent headers has none. What [ParseTraceparent] or
// [ParseTracestate] refuses is ignored; a bad tracestate does not spoil its traceparent.
//
// A tracestate that nobody touched goes out byte for byte as it came in, also if it is one that
// [trace.TraceState] cannot hold: then the context carries its text, and Inject writes that as
// long as the span's trace is the same. Members that were added or changed on the way stand in
// front of it.
//
// In Linkerd's mesh: the proxy reads traceparent first of all, rewrites it, and leaves
// tracestate alone.
//
// Spec: W3C Trace Context Level 2, https://www.w3.org/TR/trace-context-2/
type TraceContext struct{}

var _ otelpropagation.TextMapPropagator = TraceContext{}

// Extract returns ctx with the remote span context that from holds, or ctx if it holds none.
func (p TraceContext) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier, and removes a tracestate if it has
// none. Without a span in ctx it writes nothing, and removes a traceparent that is malformed.
func (p TraceContext) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	inject(ctx, into, p)
}

// Fields returns the names of the headers that Inject writes.
func (p TraceContext) Fields() []string { return p.writes().names() }

func (TraceContext) reads() fieldSet  { return fieldsOf(fieldTraceparent, fieldTracestate) }
func (TraceContext) writes() fieldSet { return fieldsOf(fieldTraceparent, fieldTracestate) }
func (TraceContext) heads() fieldSet  { return fieldsOf(fieldTraceparent) }

func (TraceContext) read(c carrier) found {
	value := c.only(fieldTraceparent)
	if value == "" {
		return found{}
	}
	return readTraceContext(&c, value)
}

func readTraceContext(c *carrier, traceparent string) found {
	sc, err := ParseTraceparent(traceparent)
	if err != nil {
		return found{}
	}
	got := found{sc: sc}
	if values := c.values(fieldTracestate); len(values) > 0 {
		got.addTracestate(values)
	}
	return got
}

// addTracestate adds what the tracestate headers say to the span context, and keeps their text
// if that has no room for all of it.
func (f *found) addTracestate(values []string) {
	if len(values) == 1 && heldAsItIs(values[0]) {
		if state, err := trace.ParseTraceState(values[0]); err == nil {
			f.sc = f.sc.WithTraceState(state)
			return
		}
	}
	var list tracestate
	if list.parse(values) != nil || list.len == 0 {
		return
	}
	text := list.text(values)
	state, same := list.state(text)
	f.sc = f.sc.WithTraceState(state)
	if !same {
		f.rare = &rarelyFound{state: text}
	}
}

func (TraceContext) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	writeTraceContext(ctx, &sc, &c)
}

func writeTraceContext(ctx context.Context, sc *trace.SpanContext, c *carrier) {
	state := tracestateFor(ctx, sc)
	switch {
	case c.other != nil:
		c.set(fieldTraceparent, string(AppendTraceparent(make([]byte, 0, traceparentLen), *sc)))
		if state != "" || !c.remove(fieldTracestate) {
			c.set(fieldTracestate, state) // an empty one must be accepted, and is better than a stale one
		}
	case state == "":
		c.remove(fieldTracestate)
		c.header["Traceparent"] = new(traceparentValue).of(sc)
	default:
		values := new(struct {
			traceparent traceparentValue
			tracestate  [1]string
		})
		values.tracestate[0] = state
		c.header["Traceparent"] = values.traceparent.of(sc)
		c.header["Tracestate"] = values.tracestate[:]
	}
}

// A traceparentValue is the value of a traceparent header as http.Header wants it, text and slice in
// one allocation. It matters to every client request: BenchmarkInject.
type traceparentValue struct {
	slice [1]string
	text  [traceparentLen]byte
}

// of writes the value for sc. unsafe.String gives the text away as a string, which is safe because
// nobody can write to it from here on.
func (v *traceparentValue) of(sc *trace.SpanContext) []string {
	AppendTraceparent(v.text[:0], *sc)
	v.slice[0] = unsafe.String(&v.text[0], traceparentLen)
	return v.slice[:]
}

// A carriedState is a tracestate that trace.TraceState cannot hold.
type carriedState struct {
	text    string
	state   trace.TraceState // as much of text as it can hold
	traceID trace.TraceID    // text belongs to this trace
}

type carriedStateKey struct{}

// tracestateFor returns the tracestate to be sent with sc: its own, together with what ctx
// carries for its trace.
func tracestateFor(ctx context.Context, sc *trace.SpanContext) string {
	carried, ok := ctx.Value(carriedStateKey{}).(carriedState)
	if !ok || carried.traceID != sc.TraceID() {
		return sc.TraceState().String()
	}
	return carried.merge(sc.TraceState())
}

// merge returns the text with the changes that lead from carried.state to now: what was added or
// changed goes to the front, what was deleted goes.
func (carried carriedState) merge(now trace.TraceState) string {
	if sameMembers(now, carried.state) {
		return carried.text
	}
	var list tracestate
	now.Walk(func(key, value string) bool {
		if carried.state.Get(key) != value {
			list.members[list.len] = key + "=" + value
			list.len++
		}
		return true
	})
	for member := range strings.SplitSeq(carried.text, ",") {
		key, _, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		deleted := carried.state.Get(key) != "" && now.Get(key) == ""
		if !deleted && list.add(member) != nil {
			break // the 33rd member and those behind it go
		}
	}
	return strings.Join(list.members[:list.len], ",")
}

func sameMembers(a, b trace.TraceState) bool {
	same := a.Len() == b.Len()
	a.Walk(func(key, value string) bool {
		same = same && b.Get(key) == value
		return same
	})
	return same
}
