package e2e_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	outsideTraceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	outsideSpanID   = "00f067aa0ba902b7"
	sampledCaller   = "00-" + outsideTraceID + "-" + outsideSpanID + "-01"
	unsampledCaller = "00-" + outsideTraceID + "-" + outsideSpanID + "-00"
)

var storyTests = []struct {
	rule   string
	args   []string
	traces int
	story  story
}{
	{"without headers from outside the frontend starts the trace, of 13 spans",
		[]string{"-requests", "3"}, 3, story{}},
	{"with headers from outside the first proxy takes part, and there are 15",
		[]string{"-traceparent", sampledCaller}, 1, story{parent: outsideSpanID}},
	{"B3 services stay whole behind proxies that know nothing else",
		[]string{"-propagation", "b3", "-requests", "3"}, 3, story{b3: true}},
	{"B3 from outside",
		[]string{"-propagation", "b3", "-traceparent", sampledCaller}, 1, story{b3: true, parent: outsideSpanID}},
	{"a request that fails is an error in every service that it reached, and in no proxy",
		[]string{"-fail", "-requests", "4"}, 4, story{failing: true}},
}

// The example leaves in Jaeger exactly the traces that its story tells: every span with its
// parent, name, kind, service, status and attributes, and nothing else.
func TestProfile(t *testing.T) {
	example := buildProfile(t)
	for _, protocol := range protocols {
		for _, tt := range storyTests {
			t.Run(protocol.name+"/"+tt.rule, func(t *testing.T) {
				t.Parallel()
				server, ctx := startJaeger(t), deadline(t)
				ran := example.run(ctx, t, protocol.endpoint(server.Endpoints), server.Endpoints, tt.args...)
				if ran.sampled != tt.traces {
					t.Fatalf("%d traces were sampled, want %d:\n%s", ran.sampled, tt.traces, ran.output)
				}
				traces := ran.held(ctx, t, server.Query())
				for i, id := range ran.traceIDs {
					want := tt.story.spans(i+1, ran.pid)
					for n, s := range want {
						if !isProxy(s) { // those speak OTLP, whatever the services do
							want[n] = protocol.keeps(s)
						}
					}
					got := chain(t, traces[id], tt.story.parent)
					if diff := cmp.Diff(want, anonymous(t, got)); diff != "" {
						t.Errorf("request %d (-want +got):\n%s", i+1, diff)
					}
					checkInterface(ctx, t, server.Query(), got)
				}
			})
		}
	}
}

var samplingTests = []struct {
	rule        string
	args        []string
	least, most int // of traces
	spans       int // of each
}{
	{"at 0 % nothing is left", []string{"-sample", "0", "-requests", "10"}, 0, 0, 0},
	{"at 50 % some traces are left, and these are whole", []string{"-sample", "50", "-requests", "100"}, 1, 99, 13},
	{"a caller that has sampled is followed", []string{"-sample", "0", "-traceparent", sampledCaller}, 1, 1, 15},
	{"a caller that has not is followed too", []string{"-traceparent", unsampledCaller, "-requests", "10"}, 0, 0, 0},
}

// Of a trace that was sampled all spans are there, the proxies' as well, and of others none.
func TestProfileSampling(t *testing.T) {
	example := buildProfile(t)
	for _, protocol := range protocols {
		for _, tt := range samplingTests {
			t.Run(protocol.name+"/"+tt.rule, func(t *testing.T) {
				t.Parallel()
				server, ctx := startJaeger(t), deadline(t)
				ran := example.run(ctx, t, protocol.endpoint(server.Endpoints), server.Endpoints, tt.args...)
				if ran.sampled < tt.least || ran.sampled > tt.most {
					t.Errorf("%d traces were sampled, want %d to %d:\n%s", ran.sampled, tt.least, tt.most, ran.output)
				}
				for id, spans := range ran.held(ctx, t, server.Query()) {
					if len(spans) != tt.spans {
						t.Errorf("trace %s has %d spans, want %d", id, len(spans), tt.spans)
					}
				}
				if services, err := server.Query().Services(ctx); err != nil || len(services) > 0 && tt.most == 0 {
					t.Errorf("Services = %v, %v, want none", services, err)
				}
			})
		}
	}
}
