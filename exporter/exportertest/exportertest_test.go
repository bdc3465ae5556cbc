package exportertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/exporter/exportertest"
)

// memory is an exporter that does everything right, but for its fault.
type memory struct {
	fault func(tracetest.SpanStubs) tracetest.SpanStubs

	mu     sync.Mutex
	closed bool
	spans  tracetest.SpanStubs
}

func (m *memory) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("closed")
	}
	stubs := tracetest.SpanStubsFromReadOnlySpans(spans)
	for i := range stubs {
		stubs[i].Attributes = slices.Clone(stubs[i].Attributes)
		stubs[i].Events = slices.Clone(stubs[i].Events)
	}
	if m.fault != nil && len(stubs) > 0 {
		stubs = m.fault(stubs)
	}
	m.spans = append(m.spans, stubs...)
	return nil
}

func (m *memory) Shutdown(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *memory) received() tracetest.SpanStubs {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.spans)
}

func TestRunPassesWhatIsRight(t *testing.T) {
	exportertest.Run(t, func(*testing.T) (sdktrace.SpanExporter, exportertest.Received) {
		m := new(memory)
		return m, m.received
	})
}

// each returns a fault that does the same to every span.
func each(f func(*tracetest.SpanStub)) func(tracetest.SpanStubs) tracetest.SpanStubs {
	return func(spans tracetest.SpanStubs) tracetest.SpanStubs {
		for i := range spans {
			f(&spans[i])
		}
		return spans
	}
}

var faults = []struct {
	fault string
	make  func(tracetest.SpanStubs) tracetest.SpanStubs
}{
	{"loses a span", func(spans tracetest.SpanStubs) tracetest.SpanStubs { return spans[1:] }},
	{"sends a span twice", func(spans tracetest.SpanStubs) tracetest.SpanStubs { return append(spans, spans[0]) }},
	{"loses names", each(func(s *tracetest.SpanStub) { s.Name = "" })},
	{"loses parents", each(func(s *tracetest.SpanStub) { s.Parent = trace.SpanContext{} })},
	{"loses kinds", each(func(s *tracetest.SpanStub) { s.SpanKind = trace.SpanKindInternal })},
	{"loses microseconds", each(func(s *tracetest.SpanStub) { s.EndTime = s.StartTime })},
	{"loses statuses", each(func(s *tracetest.SpanStub) { s.Status = sdktrace.Status{} })},
	{"loses empty strings", each(func(s *tracetest.SpanStub) {
		s.Attributes = slices.DeleteFunc(s.Attributes, func(kv attribute.KeyValue) bool { return kv.Value == attribute.StringValue("") })
	})},
	{"says numbers as text", each(func(s *tracetest.SpanStub) {
		for i, kv := range s.Attributes {
			s.Attributes[i] = kv.Key.String(kv.Value.String())
		}
	})},
	{"loses maps", each(func(s *tracetest.SpanStub) {
		s.Attributes = slices.DeleteFunc(s.Attributes, func(kv attribute.KeyValue) bool { return kv.Value.Type() == attribute.MAP })
	})},
	{"loses events", each(func(s *tracetest.SpanStub) { s.Events = nil })},
	{"reverses events", each(func(s *tracetest.SpanStub) { slices.Reverse(s.Events) })},
	{"loses events' attributes", each(func(s *tracetest.SpanStub) {
		for i := range s.Events {
			s.Events[i].Attributes = nil
		}
	})},
	{"loses links", each(func(s *tracetest.SpanStub) { s.Links = nil })},
	{"mixes up services", func(spans tracetest.SpanStubs) tracetest.SpanStubs {
		for i := range spans {
			spans[i].Resource = spans[0].Resource
		}
		return spans
	}},
	{"loses scopes", each(func(s *tracetest.SpanStub) { s.InstrumentationScope = instrumentation.Scope{} })},
}

func TestCasesFindWhatIsWrong(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.fault, func(t *testing.T) {
			err := exportertest.Check(func() (sdktrace.SpanExporter, exportertest.Received) {
				m := &memory{fault: tt.make}
				return m, m.received
			})
			if err == nil {
				t.Error("no case has found it")
			}
		})
	}
}

// keeper keeps the caller's spans.
type keeper struct {
	memory
	kept []sdktrace.ReadOnlySpan
}

func (k *keeper) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, spans...)
	return nil
}

func (k *keeper) received() tracetest.SpanStubs {
	k.mu.Lock()
	defer k.mu.Unlock()
	return tracetest.SpanStubsFromReadOnlySpans(k.kept)
}

func TestCasesFindWhoKeepsWhatIsNotTheirs(t *testing.T) {
	err := exportertest.Check(func() (sdktrace.SpanExporter, exportertest.Received) {
		k := new(keeper)
		return k, k.received
	})
	for _, rule := range []string{"belong to the caller again", "after Shutdown nothing is taken"} {
		if err == nil || !strings.Contains(err.Error(), rule) {
			t.Errorf("not found: %s", rule)
		}
	}
}
