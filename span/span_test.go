package span_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/span"
)

func TestSetAttributes(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		set     [][]attribute.KeyValue // one call each
		want    []attribute.KeyValue
		dropped int
	}{
		{
			rule: "the last value of a key wins, over calls",
			set: [][]attribute.KeyValue{
				{attribute.String("a", "first"), attribute.Int("b", 1)},
				{attribute.String("a", "second")},
			},
			want: []attribute.KeyValue{attribute.String("a", "second"), attribute.Int("b", 1)},
		},
		{
			rule: "the last value of a key wins, within a call",
			set:  [][]attribute.KeyValue{{attribute.Int("a", 1), attribute.Int("a", 2), attribute.Int("a", 3)}},
			want: []attribute.KeyValue{attribute.Int("a", 3)},
		},
		{
			rule: "the last value's type wins too",
			set:  [][]attribute.KeyValue{{attribute.Int("a", 1)}, {attribute.Bool("a", true)}},
			want: []attribute.KeyValue{attribute.Bool("a", true)},
		},
		{
			rule:    "a key must not be empty",
			set:     [][]attribute.KeyValue{{attribute.Int("", 1), attribute.Int("a", 1)}, {attribute.Int("", 2)}},
			want:    []attribute.KeyValue{attribute.Int("a", 1)},
			dropped: 2,
		},
		{
			rule: "an empty value is a value",
			set:  [][]attribute.KeyValue{{attribute.String("a", ""), {Key: "b"}}},
			want: []attribute.KeyValue{attribute.String("a", ""), {Key: "b"}},
		},
		{rule: "no attributes are none", set: [][]attribute.KeyValue{nil, {}}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got := spanOf(t, span.Config{}, func(span trace.Span) {
				for _, attrs := range tt.set {
					span.SetAttributes(attrs...)
				}
			})
			if diff := cmp.Diff(tt.want, got.Attributes, equal); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if got.DroppedAttributes != tt.dropped {
				t.Errorf("%d attributes dropped, want %d", got.DroppedAttributes, tt.dropped)
			}
		})
	}
}

func TestSlicesAreCopied(t *testing.T) {
	attrs := []attribute.KeyValue{attribute.Int("a", 1)}
	got := spanOf(t, span.Config{}, func(span trace.Span) {
		span.SetAttributes(attrs...)
		span.AddEvent("event", trace.WithAttributes(attrs...))
		span.AddLink(trace.Link{SpanContext: remote(0), Attributes: attrs})
		attrs[0] = attribute.Int("changed", 2)
	})
	want := []attribute.KeyValue{attribute.Int("a", 1)}
	for where, got := range map[string][]attribute.KeyValue{
		"span": got.Attributes, "event": got.Events[0].Attributes, "link": got.Links[0].Attributes,
	} {
		if diff := cmp.Diff(want, got, equal); diff != "" {
			t.Errorf("the caller changed its slice, and the %s has (-want +got):\n%s", where, diff)
		}
	}
}

// Spec: OpenTelemetry Trace API, Set Status.
func TestSetStatus(t *testing.T) {
	type set struct {
		code        codes.Code
		description string
	}
	for _, tt := range []struct {
		rule string
		sets []set
		want sdktrace.Status
	}{
		{"the default is Unset", nil, sdktrace.Status{}},
		{"Error has a description", []set{{codes.Error, "why"}}, sdktrace.Status{Code: codes.Error, Description: "why"}},
		{"the description is ignored for Ok", []set{{codes.Ok, "why"}}, sdktrace.Status{Code: codes.Ok}},
		{"the description is ignored for Unset", []set{{codes.Unset, "why"}}, sdktrace.Status{}},
		{"the last Error wins", []set{{codes.Error, "1"}, {codes.Error, "2"}}, sdktrace.Status{Code: codes.Error, Description: "2"}},
		{"an attempt to set Unset is ignored", []set{{codes.Error, "1"}, {codes.Unset, ""}}, sdktrace.Status{Code: codes.Error, Description: "1"}},
		{"Ok overrides Error", []set{{codes.Error, "1"}, {codes.Ok, ""}}, sdktrace.Status{Code: codes.Ok}},
		{"Ok is final", []set{{codes.Ok, ""}, {codes.Error, "2"}, {codes.Unset, ""}}, sdktrace.Status{Code: codes.Ok}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			got := spanOf(t, span.Config{}, func(span trace.Span) {
				for _, s := range tt.sets {
					span.SetStatus(s.code, s.description)
				}
			})
			if got.Status != tt.want {
				t.Errorf("status %+v, want %+v", got.Status, tt.want)
			}
		})
	}
}

func TestSetName(t *testing.T) {
	got := spanOf(t, span.Config{}, func(span trace.Span) {
		span.SetName("GET /users/{id}")
		span.SetName("GET /users")
	})
	if got.Name != "GET /users" {
		t.Errorf("name %q, want the one that was set last", got.Name)
	}
}

func TestAddEvent(t *testing.T) {
	when := time.Unix(1700000000, 5)
	before := time.Now()
	got := spanOf(t, span.Config{}, func(span trace.Span) {
		span.AddEvent("now")
		span.AddEvent("then", trace.WithTimestamp(when), trace.WithAttributes(
			attribute.Int("a", 1), attribute.Int("", 2), attribute.Int("a", 3)))
	}).Events
	if len(got) != 2 || got[0].Name != "now" || got[1].Name != "then" {
		t.Fatalf("events %+v, want now and then, in the order in which they were added", got)
	}
	if got[0].Time.Before(before) || got[0].Time.After(time.Now()) {
		t.Errorf("an event without a time has %v, want the time of the call", got[0].Time)
	}
	want := sdktrace.Event{
		Name:                  "then",
		Time:                  when,
		Attributes:            []attribute.KeyValue{attribute.Int("a", 3)},
		DroppedAttributeCount: 1, // the one without a key
	}
	if diff := cmp.Diff(want, got[1], equal); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

type badError struct{}

func (badError) Error() string { return "bad" }

// Spec: OpenTelemetry Trace API, Record Exception; semantic conventions, Exceptions on spans.
func TestRecordError(t *testing.T) {
	type attrs = map[attribute.Key]string
	when := time.Unix(1700000000, 0)
	for _, tt := range []struct {
		rule string
		err  error
		opts []trace.EventOption
		want attrs // nil: no event. exception.stacktrace need only be contained
	}{
		{
			rule: "the type has its package path",
			err:  badError{},
			want: attrs{"exception.type": "github.com/meshtrace/meshtrace/span_test.badError", "exception.message": "bad"},
		},
		{
			rule: "a pointer's type is written as in Go",
			err:  errors.New("bad"),
			want: attrs{"exception.type": "*errors.errorString", "exception.message": "bad"},
		},
		{rule: "nil is no error", err: nil},
		{
			rule: "a stack is recorded if asked for",
			err:  badError{},
			opts: []trace.EventOption{trace.WithStackTrace(true)},
			want: attrs{
				"exception.type":       "github.com/meshtrace/meshtrace/span_test.badError",
				"exception.message":    "bad",
				"exception.stacktrace": "TestRecordError",
			},
		},
		{
			rule: "additional attributes take precedence",
			err:  badError{},
			opts: []trace.EventOption{trace.WithAttributes(attribute.String("exception.message", "mine"), attribute.String("a", "b"))},
			want: attrs{
				"exception.type":    "github.com/meshtrace/meshtrace/span_test.badError",
				"exception.message": "mine",
				"a":                 "b",
			},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			opts := append(tt.opts, trace.WithTimestamp(when))
			got := spanOf(t, span.Config{}, func(span trace.Span) { span.RecordError(tt.err, opts...) })
			if got.Status.Code != codes.Unset {
				t.Errorf("status %v, want it unchanged", got.Status)
			}
			if tt.want == nil {
				if len(got.Events) != 0 {
					t.Errorf("events %+v, want none", got.Events)
				}
				return
			}
			event := got.Events[0]
			if event.Name != "exception" || !event.Time.Equal(when) {
				t.Errorf("event %q at %v, want exception at %v", event.Name, event.Time, when)
			}
			if len(event.Attributes) != len(tt.want) {
				t.Errorf("attributes %v, want %v", event.Attributes, tt.want)
			}
			for _, kv := range event.Attributes {
				value, want := kv.Value.AsString(), tt.want[kv.Key]
				if value != want && !(kv.Key == semconv.ExceptionStacktraceKey && strings.Contains(value, want)) {
					t.Errorf("%s = %q, want %q", kv.Key, value, want)
				}
			}
		})
	}
}

// chatty is an error, and a thing to panic with, that uses the span while it is being described.
type chatty struct{ span trace.Span }

func (c chatty) Error() string {
	c.span.SetAttributes(attribute.Bool("asked", true))
	return "chatty"
}

func TestAnErrorMayUseTheSpanThatRecordsIt(t *testing.T) {
	asked := []attribute.KeyValue{attribute.Bool("asked", true)}
	for by, record := range map[string]func(trace.Span){
		"RecordError": func(span trace.Span) { span.RecordError(chatty{span}) },
		"panic": func(span trace.Span) {
			defer func() { recover() }()
			defer span.End()
			panic(chatty{span})
		},
	} {
		t.Run(by, func(t *testing.T) {
			got := spanOf(t, span.Config{}, record)
			if diff := cmp.Diff(asked, got.Attributes, equal); diff != "" || len(got.Events) != 1 {
				t.Errorf("events %v, attributes (-want +got):\n%s", got.Events, diff)
			}
		})
	}
}

func TestAddLink(t *testing.T) {
	state := trace.SpanContext{}.WithTraceState(remote(0).TraceState())
	attr := attribute.Int("a", 1)
	for _, tt := range []struct {
		rule string
		link trace.Link
		want []sdktrace.Link
	}{
		{
			rule: "a link keeps the span context as it is",
			link: trace.Link{SpanContext: remote(0xff), Attributes: []attribute.KeyValue{attr}},
			want: []sdktrace.Link{{SpanContext: remote(0xff), Attributes: []attribute.KeyValue{attr}}},
		},
		{
			rule: "the last value of a key wins, a key must not be empty",
			link: trace.Link{SpanContext: remote(0), Attributes: []attribute.KeyValue{attribute.Int("a", 0), attribute.Int("", 1), attr}},
			want: []sdktrace.Link{{SpanContext: remote(0), Attributes: []attribute.KeyValue{attr}, DroppedAttributeCount: 1}},
		},
		{rule: "a link that says nothing is ignored", link: trace.Link{}},
		{
			rule: "links with invalid span contexts are recorded if they have attributes",
			link: trace.Link{Attributes: []attribute.KeyValue{attr}},
			want: []sdktrace.Link{{Attributes: []attribute.KeyValue{attr}}},
		},
		{
			rule: "links with invalid span contexts are recorded if they have a tracestate",
			link: trace.Link{SpanContext: state},
			want: []sdktrace.Link{{SpanContext: state}},
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			added := spanOf(t, span.Config{}, func(span trace.Span) { span.AddLink(tt.link) })
			if diff := cmp.Diff(tt.want, added.Links, equal); diff != "" {
				t.Errorf("AddLink (-want +got):\n%s", diff)
			}
			started := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
				_, span := tracer.Start(context.Background(), "test", trace.WithLinks(tt.link))
				span.End()
			})
			if diff := cmp.Diff(tt.want, started[0].Links, equal); diff != "" {
				t.Errorf("WithLinks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	early, late := time.Unix(1700000000, 0), time.Unix(1700000001, 0)
	for _, tt := range []struct {
		rule       string
		start, end time.Time // zero: not given
	}{
		{"without times a span has those of the calls", time.Time{}, time.Time{}},
		{"a start in the past may end now", early, time.Time{}},
		{"both may be given", early, late},
		{"an end before the start stays as it was given", late, early},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			before := time.Now()
			got := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
				var start []trace.SpanStartOption
				if !tt.start.IsZero() {
					start = append(start, trace.WithTimestamp(tt.start))
				}
				var end []trace.SpanEndOption
				if !tt.end.IsZero() {
					end = append(end, trace.WithTimestamp(tt.end))
				}
				_, span := tracer.Start(context.Background(), "test", start...)
				span.End(end...)
			})[0]
			after := time.Now()
			check := func(which string, got, given time.Time) {
				if given.IsZero() && (got.Before(before) || got.After(after)) || !given.IsZero() && !got.Equal(given) {
					t.Errorf("%s %v, want %v, or now if that is zero", which, got, given)
				}
			}
			check("start", got.StartTime, tt.start)
			check("end", got.EndTime, tt.end)
			if tt.start.IsZero() && tt.end.IsZero() && got.EndTime.Before(got.StartTime) {
				t.Errorf("ended at %v, before it started at %v", got.EndTime, got.StartTime)
			}
		})
	}
}

func TestPanicGoesThroughEnd(t *testing.T) {
	type attrs = map[attribute.Key]string
	boom := errors.New("boom")
	for _, tt := range []struct {
		rule   string
		thrown any
		opts   []trace.SpanEndOption
		want   attrs
	}{
		{"an error", boom, nil, attrs{"exception.type": "*errors.errorString", "exception.message": "boom"}},
		{"a string", "boom", nil, attrs{"exception.type": "string", "exception.message": "boom"}},
		{"nil", nil, nil, attrs{"exception.type": "*runtime.PanicNilError", "exception.message": "panic called with nil argument"}},
		{"with the stack", "boom", []trace.SpanEndOption{trace.WithStackTrace(true)},
			attrs{"exception.type": "string", "exception.message": "boom", "exception.stacktrace": "TestPanicGoesThroughEnd"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			var caught any
			got := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
				defer func() { caught = recover() }()
				_, span := tracer.Start(context.Background(), "test")
				defer span.End(tt.opts...)
				panic(tt.thrown)
			})
			if caught == nil || tt.thrown != nil && caught != tt.thrown {
				t.Errorf("caught %v, want the panic to go on with %v", caught, tt.thrown)
			}
			if len(got) != 1 || len(got[0].Events) != 1 || len(got[0].Events[0].Attributes) != len(tt.want) {
				t.Fatalf("spans %+v, want one with one event with attributes %v", got, tt.want)
			}
			event := got[0].Events[0]
			if event.Name != "exception" || event.Time.After(got[0].EndTime) {
				t.Errorf("event %q at %v, want exception, before the end at %v", event.Name, event.Time, got[0].EndTime)
			}
			for _, kv := range event.Attributes {
				if want := tt.want[kv.Key]; !strings.Contains(kv.Value.AsString(), want) {
					t.Errorf("%s = %q, want %q", kv.Key, kv.Value.AsString(), want)
				}
			}
			if got[0].Status.Code != codes.Unset {
				t.Errorf("status %v, want it unchanged", got[0].Status)
			}
		})
	}

	t.Run("only if End itself is deferred", func(t *testing.T) {
		var caught any
		got := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
			defer func() { caught = recover() }()
			_, span := tracer.Start(context.Background(), "test")
			defer func() { span.End() }()
			panic("boom")
		})
		if caught != "boom" || len(got) != 1 || len(got[0].Events) != 0 {
			t.Errorf("caught %v, spans %+v: want the panic untouched, and one span without events", caught, got)
		}
	})
	t.Run("through a span that has ended", func(t *testing.T) {
		var caught any
		got := spansOf(t, span.Config{}, func(tracer trace.Tracer) {
			defer func() { caught = recover() }()
			_, span := tracer.Start(context.Background(), "test")
			defer span.End()
			span.End()
			panic("boom")
		})
		if caught != "boom" || len(got) != 1 || len(got[0].Events) != 0 {
			t.Errorf("caught %v, spans %+v: want the panic untouched, and one span without events", caught, got)
		}
	})
}

// useEverything calls every method that changes a span.
func useEverything(span trace.Span) {
	span.SetName("late")
	span.SetStatus(codes.Error, "late")
	span.SetAttributes(attribute.String("late", "late"), attribute.Int("a", 2))
	span.AddEvent("late", trace.WithAttributes(attribute.String("late", "late")))
	span.RecordError(errors.New("late"), trace.WithStackTrace(true))
	span.AddLink(trace.Link{SpanContext: remote(0)})
	span.End(trace.WithTimestamp(time.Unix(1, 0)))
}

func TestAfterEndNothingChanges(t *testing.T) {
	kept := tracetest.NewSpanRecorder()
	var atEnd tracetest.SpanStub
	var late trace.Span
	spans := spansOf(t, span.Config{Processors: []sdktrace.SpanProcessor{kept}}, func(tracer trace.Tracer) {
		ctx, span := tracer.Start(context.Background(), "test", trace.WithAttributes(attribute.Int("a", 1)))
		if !span.IsRecording() {
			t.Error("a span that has not ended does not record")
		}
		sc := span.SpanContext()
		span.End()
		atEnd = tracetest.SpanStubFromReadOnlySpan(kept.Ended()[0])
		useEverything(span)
		if span.IsRecording() {
			t.Error("a span that has ended records")
		}
		if !span.SpanContext().Equal(sc) || span.TracerProvider() == nil {
			t.Error("a span that has ended has lost its identity")
		}

		_, child := tracer.Start(ctx, "child")
		if child.SpanContext().TraceID() != sc.TraceID() {
			t.Error("a span that has ended is no parent any more")
		}
		late = span
	})
	if len(spans) != 1 {
		t.Fatalf("%d spans ended, want 1", len(spans))
	}
	for what, got := range map[string]sdktrace.ReadOnlySpan{
		"the span itself":        late.(sdktrace.ReadOnlySpan),
		"what OnStart was given": kept.Started()[0],
		"what OnEnd was given":   kept.Ended()[0],
	} {
		if diff := cmp.Diff(atEnd, tracetest.SpanStubFromReadOnlySpan(got), equal); diff != "" {
			t.Errorf("%s has changed (-at the end +now):\n%s", what, diff)
		}
	}
}

func TestUnsampledSpansDoNothing(t *testing.T) {
	p := newProvider(t, span.Config{Sampler: sdktrace.NeverSample()})
	_, s := p.Tracer("test").Start(context.Background(), "test")
	sc := s.SpanContext()
	useEverything(s)
	if s.IsRecording() || sc.IsSampled() || !sc.IsValid() || !sc.Equal(s.SpanContext()) {
		t.Errorf("recording %v, context %+v: want a valid, unsampled span context and no recording", s.IsRecording(), sc)
	}
	if s.TracerProvider() != p {
		t.Errorf("provider %v, want the one that started the span", s.TracerProvider())
	}
}

// A method that OpenTelemetry adds to its interfaces is answered by what our types embed. This test
// finds one that is not answered, as it finds one that we forgot.
func TestEveryMethodIsAnswered(t *testing.T) {
	kept := tracetest.NewSpanRecorder()
	tracer := newProvider(t, span.Config{Processors: []sdktrace.SpanProcessor{kept}}).Tracer("test")
	_, recording := tracer.Start(context.Background(), "test")
	_, ended := tracer.Start(context.Background(), "test")
	ended.End()
	_, bare := newProvider(t, span.Config{Exporter: new(sink)}).Tracer("test").Start(context.Background(), "test")
	bare.End()
	_, unsampled := newProvider(t, span.Config{Sampler: sdktrace.NeverSample()}).Tracer("test").Start(context.Background(), "test")

	type all interface {
		sdktrace.ReadWriteSpan
		context.Context
	}
	type writable interface {
		trace.Span
		context.Context
	}
	call := func(what string, of reflect.Type, x any) {
		for i := range of.NumMethod() {
			m := of.Method(i)
			if m.PkgPath != "" || m.Name == "End" {
				continue // nobody calls what is not exported; End comes last
			}
			method := reflect.ValueOf(x).MethodByName(m.Name)
			var args []reflect.Value
			for j := range method.Type().NumIn() {
				args = append(args, reflect.Zero(method.Type().In(j)))
			}
			func() {
				defer func() {
					if thrown := recover(); thrown != nil {
						t.Errorf("%s of %s: %v", m.Name, what, thrown)
					}
				}()
				if method.Type().IsVariadic() {
					method.CallSlice(args)
				} else {
					method.Call(args)
				}
			}()
		}
	}
	call("a span that has ended", reflect.TypeFor[all](), ended)
	call("a span that has ended, without processors", reflect.TypeFor[all](), bare)
	call("a finished span", reflect.TypeFor[sdktrace.ReadOnlySpan](), kept.Ended()[0])
	call("an unsampled span", reflect.TypeFor[writable](), unsampled)
	call("a span that records", reflect.TypeFor[all](), recording)
	recording.End()
	unsampled.End()
}

// With -race this also finds calls that meet on a record.
func TestEndMeetsEveryOtherCall(t *testing.T) {
	const rounds, callers = 200, 4
	exported, kept := new(sink), tracetest.NewSpanRecorder()
	p := newProvider(t, span.Config{Exporter: exported, Processors: []sdktrace.SpanProcessor{kept}})
	tracer := p.Tracer("test")
	for range rounds {
		ctx, span := tracer.Start(context.Background(), "test")
		mine := attribute.String("span", span.SpanContext().SpanID().String())
		var busy sync.WaitGroup
		begin := make(chan struct{})
		for range callers {
			busy.Go(func() {
				<-begin
				for span.IsRecording() {
					span.SetName("renamed")
					span.SetStatus(codes.Error, "failed")
					span.SetAttributes(mine)
					span.AddEvent("event", trace.WithAttributes(mine))
					span.RecordError(errors.New("failed"))
					span.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: []attribute.KeyValue{mine}})
					tracer.(seam.Starter).StartSpan(ctx, seam.Start{Name: "never ended"})
					tracetest.SpanStubFromReadOnlySpan(span.(sdktrace.ReadOnlySpan))
					_ = fmt.Sprint(ctx)
				}
				useEverything(span)
			})
		}
		busy.Go(func() {
			<-begin
			span.End()
		})
		close(begin)
		span.End()
		busy.Wait()
	}
	spans := tracetest.SpanStubsFromReadOnlySpans(kept.Ended())
	noCount := cmpopts.IgnoreFields(tracetest.SpanStub{}, "ChildSpanCount")
	if diff := cmp.Diff(spans, exported.spans(), equal, noCount); diff != "" {
		t.Errorf("what processors got (-) and what the exporter got (+):\n%s", diff)
	}
	if len(spans) != rounds {
		t.Errorf("%d spans ended, want each of %d once", len(spans), rounds)
	}
	if got := p.Stats().Ended; got != rounds {
		t.Errorf("%d spans counted as ended, want %d", got, rounds)
	}
	for _, s := range spans {
		id := s.SpanContext.SpanID().String()
		for _, kv := range s.Attributes {
			if kv.Key == "span" && kv.Value.AsString() != id {
				t.Errorf("span %s has an attribute of span %s", id, kv.Value.AsString())
			}
		}
	}
}

// Records are used again. What one span recorded, or was told after its end, must not turn up on
// another one, even while many end at once.
func TestSpansDoNotShareRecords(t *testing.T) {
	const goroutines, each = 8, 200
	exported, kept := new(sink), tracetest.NewSpanRecorder()
	tracer := newProvider(t, span.Config{Exporter: exported, Processors: []sdktrace.SpanProcessor{kept}}).Tracer("test")
	var busy sync.WaitGroup
	for range goroutines {
		busy.Go(func() {
			for i := range each {
				_, span := tracer.Start(context.Background(), "test")
				id := span.SpanContext().SpanID()
				for j := range i % 5 {
					mine := attribute.String(fmt.Sprint(j), id.String())
					span.SetAttributes(mine)
					span.AddEvent(id.String(), trace.WithAttributes(mine))
					span.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: []attribute.KeyValue{mine}})
				}
				span.SetName(fmt.Sprint(i % 5))
				span.End()
				useEverything(span)
			}
		})
	}
	busy.Wait()
	check := func(where string, spans tracetest.SpanStubs) {
		if len(spans) != goroutines*each {
			t.Errorf("%s: %d spans, want %d", where, len(spans), goroutines*each)
		}
		for _, s := range spans {
			id := s.SpanContext.SpanID()
			ok := fmt.Sprint(len(s.Attributes)) == s.Name && len(s.Events) == len(s.Attributes) && len(s.Links) == len(s.Attributes)
			for i := range s.Attributes {
				ok = ok && s.Attributes[i].Value.AsString() == id.String() &&
					s.Events[i].Name == id.String() && s.Events[i].Attributes[0].Value.AsString() == id.String() &&
					s.Links[i].SpanContext.SpanID() == id && s.Links[i].Attributes[0].Value.AsString() == id.String()
			}
			if !ok || s.Status.Code != codes.Unset {
				t.Fatalf("%s: span %s holds what it was never told: %+v", where, id, s)
			}
		}
	}
	check("processors", tracetest.SpanStubsFromReadOnlySpans(kept.Ended()))
	check("exporter", exported.spans())
}

// A span holds no more after a large one than before.
func TestLargeRecordsAreNotKept(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	var room int
	look := consumer(func(r *sdkseam.Record) { room = max(cap(r.Attrs), cap(r.Events), cap(r.Links)) })
	tracer := newProvider(t, span.Config{Exporter: look, Limits: span.Limits{Attributes: -1, Events: -1, Links: -1}}).Tracer("test")
	for what, grow := range map[string]func(trace.Span, int){
		"attributes": func(s trace.Span, i int) { s.SetAttributes(attribute.Int(fmt.Sprint(i), i)) },
		"events":     func(s trace.Span, i int) { s.AddEvent("event") },
		"links":      func(s trace.Span, i int) { s.AddLink(trace.Link{SpanContext: remote(0)}) },
	} {
		_, large := tracer.Start(context.Background(), "large")
		for i := range 1000 {
			grow(large, i)
		}
		large.End()
		if room < 1000 {
			t.Fatalf("a record with 1000 %s has room for %d", what, room)
		}
		for range 100 {
			_, small := tracer.Start(context.Background(), "small")
			small.End()
			if room > 256 {
				t.Fatalf("after a span with 1000 %s, another has room for %d", what, room)
			}
		}
	}
}

// What a record has room for must not keep alive what earlier spans had there.
func TestRecordsForget(t *testing.T) {
	look := consumer(func(r *sdkseam.Record) {
		for _, kv := range r.Attrs[len(r.Attrs):cap(r.Attrs)] {
			if kv != (attribute.KeyValue{}) {
				t.Errorf("a record holds on to the attribute %v of an earlier span", kv)
			}
		}
		for _, e := range r.Events[len(r.Events):cap(r.Events)] {
			if e.Name != "" || e.Attributes != nil {
				t.Errorf("a record holds on to the event %q of an earlier span", e.Name)
			}
		}
		for _, l := range r.Links[len(r.Links):cap(r.Links)] {
			if l.SpanContext.IsValid() || l.Attributes != nil {
				t.Errorf("a record holds on to a link to %v of an earlier span", l.SpanContext.SpanID())
			}
		}
	})
	tracer := newProvider(t, span.Config{Exporter: look, Limits: span.Limits{Attributes: 2}}).Tracer("test").(seam.Starter)
	for i := range 100 {
		start := seam.Start{Name: "test"}
		if i%3 == 0 {
			start.Subject = &subject{attrs: ints(1, 8)} // of which two are kept
		}
		_, s := tracer.StartSpan(context.Background(), start)
		if i%3 == 1 {
			useEverything(s)
		}
		s.End()
	}
}

// consumer is a sink made of a function.
type consumer func(*sdkseam.Record)

func (f consumer) Consume(r *sdkseam.Record)                                  { f(r) }
func (f consumer) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (f consumer) Shutdown(context.Context) error                             { return nil }

// tenAttributes are those of an HTTP server span.
var tenAttributes = []attribute.KeyValue{
	semconv.HTTPRequestMethodGet,
	semconv.URLScheme("http"),
	semconv.URLPath("/users/1"),
	semconv.ServerAddress("user-service"),
	semconv.ServerPort(8080),
	semconv.NetworkProtocolVersion("1.1"),
	semconv.UserAgentOriginal("curl/8.5.0"),
	semconv.HTTPRoute("/users/{id}"),
	semconv.HTTPResponseStatusCode(200),
	semconv.HTTPResponseBodySize(1234),
}

// The design's budgets: a span is one object.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	ctx := context.Background()
	sampled, unsampled := remote(trace.FlagsSampled), remote(0)
	withSampled, withUnsampled := trace.ContextWithSpanContext(ctx, sampled), trace.ContextWithSpanContext(ctx, unsampled)
	watched := []sdktrace.SpanProcessor{processor{}}
	link := trace.Link{SpanContext: sampled}
	all := func(s seam.Starter) {
		_, span := s.Start(ctx, "test")
		span.SetAttributes(tenAttributes...)
		span.AddEvent("event")
		span.AddLink(link)
		span.End()
	}
	for _, tt := range []struct {
		rule       string
		do         func(seam.Starter)
		want       float64
		processors []sdktrace.SpanProcessor
	}{
		{"a recorded root is one object", func(s seam.Starter) {
			_, span := s.Start(ctx, "test")
			span.SetAttributes(tenAttributes...)
			span.End()
		}, 1, nil},
		{"a recorded child of a context is one object", func(s seam.Starter) {
			_, span := s.Start(withSampled, "test")
			span.SetAttributes(tenAttributes...)
			span.SetStatus(codes.Error, "failed")
			span.SetName("renamed")
			span.End()
		}, 1, nil},
		{"a kind, a parent and attributes need no more by the seam", func(s seam.Starter) {
			_, span := s.StartSpan(ctx, seam.Start{Name: "test", Kind: trace.SpanKindServer, Parent: sampled, Attrs: tenAttributes})
			span.End()
		}, 1, nil},
		{"an unsampled span is one object", func(s seam.Starter) {
			_, span := s.Start(withUnsampled, "test")
			span.SetAttributes(tenAttributes...)
			span.End()
		}, 1, nil},
		{"an unsampled span is one object by the seam", func(s seam.Starter) {
			_, span := s.StartSpan(ctx, seam.Start{Name: "test", Kind: trace.SpanKindServer, Parent: unsampled})
			span.End()
		}, 1, nil},
		{"an event and a link add none", all, 1, nil},
		{"a processor costs a copy of four", all, 1 + 4, watched},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			tracer := newProvider(t, span.Config{Exporter: discard, Processors: tt.processors}).Tracer("test").(seam.Starter)
			if got := testing.AllocsPerRun(1000, func() { tt.do(tracer) }); got != tt.want {
				t.Errorf("%v allocations, want %v", got, tt.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	const most = 160 // bytes
	_, recording := newProvider(t, span.Config{}).Tracer("test").Start(context.Background(), "test")
	_, unsampled := newProvider(t, span.Config{Sampler: sdktrace.NeverSample()}).Tracer("test").Start(context.Background(), "test")
	for what, s := range map[string]trace.Span{"a span that records": recording, "an unsampled span": unsampled} {
		if got := reflect.TypeOf(s).Elem().Size(); got > most {
			t.Errorf("%s takes %d bytes, want at most %d", what, got, most)
		}
	}
	recording.End()
}
