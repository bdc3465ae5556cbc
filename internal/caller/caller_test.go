package caller_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/caller"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// parent returns a span context that has come with a request, or not.
func parent(remote, sampled bool) trace.SpanContext {
	state, err := trace.ParseTraceState("a=1")
	if err != nil {
		panic(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceState: state,
		TraceFlags: trace.TraceFlags(0).WithSampled(sampled), Remote: remote,
	})
}

func in(sc trace.SpanContext) context.Context {
	return trace.ContextWithSpanContext(context.Background(), sc)
}

func TestInside(t *testing.T) {
	for rule, tt := range map[string]struct {
		ctx  context.Context
		want bool
	}{
		"no span":             {context.Background(), false},
		"a caller's span":     {in(parent(true, true)), false},
		"a span of ours":      {in(parent(false, true)), true},
		"one not sampled too": {in(parent(false, false)), true},
	} {
		if got := caller.Inside(tt.ctx); got != tt.want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func TestRead(t *testing.T) {
	before := seam.ContextWithDebugID(context.Background(), "older")
	if c := caller.Read(before, before); c.DebugID != "" || c.Links != nil || c.Ctx != before {
		t.Errorf("what was there before has been read: %+v", c)
	}
	links := []trace.Link{{SpanContext: parent(true, true)}}
	after := seam.ContextWithDebugID(seam.ContextWithLinks(before, links), "newer")
	if c := caller.Read(before, after); c.DebugID != "newer" || len(c.Links) != 1 || c.Ctx != after {
		t.Errorf("read %+v", c)
	}
}

// odd is a context of a type for which == panics.
type odd struct {
	context.Context
	_ []int
}

func TestAContextThatCannotBeCompared(t *testing.T) {
	ctx := odd{Context: context.Background()}
	if caller.Same(ctx, ctx) {
		t.Error("nobody can know")
	}
	if !caller.Same(ctx.Context, ctx.Context) || caller.Same(ctx, ctx.Context) {
		t.Error("what can be compared is not")
	}
	if c := caller.Read(ctx, ctx); c.Links != nil || c.DebugID != "" {
		t.Errorf("read %+v", c)
	}
}

func TestAStrangerIsBelievedNothing(t *testing.T) {
	before := context.Background()
	for rule, c := range map[string]caller.Caller{
		"a parent in the context": {Ctx: in(parent(true, true)), DebugID: "x"},
		"a parent beside it":      {Ctx: before, Parent: parent(true, true), DebugID: "x"},
	} {
		t.Run(rule, func(t *testing.T) {
			got := c.Stranger(before)
			if got.Ctx != before || !got.Public || got.Parent.IsValid() || got.DebugID != "" {
				t.Errorf("believed: %+v", got)
			}
			if len(got.Links) != 1 || got.Links[0].SpanContext.SpanID() != (trace.SpanID{2}) || got.Links[0].SpanContext.TraceState().Len() != 0 {
				t.Errorf("links %v", got.Links)
			}
		})
	}
	if got := (caller.Caller{Ctx: before}).Stranger(before); len(got.Links) != 0 {
		t.Errorf("links to nowhere: %v", got.Links)
	}
}

func TestDecided(t *testing.T) {
	before := context.Background()
	tests := []struct {
		rule        string
		caller      caller.Caller
		decision    caller.Decision
		wantParent  trace.SpanID // zero for none
		wantSampled bool
		wantWord    seam.Decision // in the context, for the parent's trace
	}{
		{rule: "inherit changes nothing", caller: caller.Caller{Ctx: in(parent(true, true))}, decision: caller.Inherit},
		{rule: "drop says so to whom the parent is shown", caller: caller.Caller{Ctx: in(parent(true, true))}, decision: caller.Drop, wantParent: trace.SpanID{2}},
		{rule: "drop of a parent beside the context", caller: caller.Caller{Ctx: before, Parent: parent(true, true)}, decision: caller.Drop, wantParent: trace.SpanID{2}},
		{rule: "sample says so to whom the parent is shown", caller: caller.Caller{Ctx: in(parent(true, false))}, decision: caller.Sample, wantParent: trace.SpanID{2}, wantSampled: true, wantWord: seam.Accept},
		{rule: "sample where a trace starts", caller: caller.Caller{Ctx: before}, decision: caller.Sample, wantWord: seam.Accept},
		{rule: "sample a stranger", caller: caller.Caller{Ctx: before, Public: true}, decision: caller.Sample, wantWord: seam.Accept},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got := tt.caller.Decided(tt.decision)
			if got.Decision != tt.decision || got.Parent.SpanID() != tt.wantParent || got.Parent.IsSampled() != tt.wantSampled {
				t.Errorf("%v, parent %v", got.Decision, got.Parent)
			}
			if word := seam.DecisionFromContext(got.Ctx, got.Parent.TraceID()); word != tt.wantWord {
				t.Errorf("the context says %v, want %v", word, tt.wantWord)
			}
		})
	}
}

// What a dropped request calls must know that its trace is not sampled, though there is none.
func TestDropWhereATraceWouldStart(t *testing.T) {
	one := caller.Caller{Ctx: context.Background()}.Decided(caller.Drop)
	two := caller.Caller{Ctx: context.Background()}.Decided(caller.Drop)
	sc := trace.SpanContextFromContext(one.Context())
	if !sc.IsValid() || sc.IsSampled() || !sc.IsRemote() || sc.TraceFlags()&trace.FlagsRandom == 0 {
		t.Errorf("it is told %v", sc)
	}
	if sc.TraceID() == trace.SpanContextFromContext(two.Context()).TraceID() {
		t.Error("all dropped requests are one trace")
	}
}

func TestContext(t *testing.T) {
	ctx := in(parent(true, true))
	if got := (caller.Caller{Ctx: ctx}).Context(); got != ctx {
		t.Error("a context that has the parent is another one")
	}
	got := trace.SpanContextFromContext(caller.Caller{Ctx: context.Background(), Parent: parent(true, true)}.Context())
	if got.SpanID() != (trace.SpanID{2}) || !got.IsRemote() {
		t.Errorf("the context has %v", got)
	}
}
