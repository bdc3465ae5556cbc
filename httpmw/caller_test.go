package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/httpmw"
	"github.com/meshtrace/meshtrace/propagation"
	"github.com/meshtrace/meshtrace/sampler"
)

// TestDecide overrides samplers and parents. It is long because of its table.
func TestDecide(t *testing.T) {
	never := sampler.ParentBased(sdktrace.NeverSample())
	always := sampler.ParentBased(sdktrace.AlwaysSample())
	for _, tt := range []struct {
		rule     string
		decision httpmw.Decision
		sampler  sdktrace.Sampler
		public   bool
		header   string
		official bool // works with samplers that are not ours, too
		spans    int
		sampled  bool // what is called is told so
		sameID   bool // the trace goes on
	}{
		{rule: "the sampler decides: yes", decision: httpmw.Inherit, sampler: always, official: true, spans: 1, sampled: true},
		{rule: "the sampler decides: no", decision: httpmw.Inherit, sampler: never, official: true},
		{rule: "the parent decides", decision: httpmw.Inherit, sampler: never, header: sampled, official: true, spans: 1, sampled: true, sameID: true},
		{rule: "Drop against the sampler", decision: httpmw.Drop, sampler: always, official: true},
		{rule: "Drop against the parent", decision: httpmw.Drop, sampler: always, header: sampled, official: true, sameID: true},
		{rule: "Drop against a parent in another format", decision: httpmw.Drop, sampler: always, header: "b3", official: true, sameID: true},
		{rule: "Drop a stranger's request", decision: httpmw.Drop, sampler: always, header: sampled, public: true, official: true},
		{rule: "Sample against the sampler", decision: httpmw.Sample, sampler: never, spans: 1, sampled: true},
		{rule: "Sample against the parent", decision: httpmw.Sample, sampler: never, header: unsampled, official: true, spans: 1, sampled: true, sameID: true},
		{rule: "Sample against a parent that leaves it open", decision: httpmw.Sample, sampler: never, header: "b3 deferred", spans: 1, sampled: true, sameID: true},
		{rule: "a parent that leaves it open", decision: httpmw.Inherit, sampler: never, header: "b3 deferred", sameID: true},
		{rule: "Sample a stranger's request", decision: httpmw.Sample, sampler: never, header: unsampled, public: true, spans: 1, sampled: true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for _, p := range providers {
				if p.name != "ours" && !tt.official {
					continue
				}
				t.Run(p.name, func(t *testing.T) {
					s := tt.sampler
					if p.name != "ours" {
						s = sdktrace.ParentBased(map[bool]sdktrace.Sampler{true: sdktrace.AlwaysSample(), false: sdktrace.NeverSample()}[tt.sampler == always])
					}
					tp, spans := p.make(t, s)
					var sc trace.SpanContext
					h := httpmw.New(httpmw.Config{TracerProvider: tp, Public: tt.public, Decide: func(*http.Request) httpmw.Decision { return tt.decision }})
					r := httptest.NewRequest("GET", "/", nil)
					switch tt.header {
					case "":
					case "b3", "b3 deferred":
						r.Header.Set("X-B3-TraceId", traceID)
						r.Header.Set("X-B3-SpanId", parentID)
						if tt.header == "b3" {
							r.Header.Set("X-B3-Sampled", "1")
						}
					default:
						r.Header.Set(traceparent, tt.header)
					}
					h.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						sc = trace.SpanContextFromContext(r.Context())
					})).ServeHTTP(httptest.NewRecorder(), r)
					if n := len(spans.Ended()); n != tt.spans {
						t.Errorf("%d spans, want %d", n, tt.spans)
					}
					if !sc.IsValid() || sc.IsSampled() != tt.sampled {
						t.Errorf("what is called is told %v", sc)
					}
					if same := sc.TraceID().String() == traceID; same != tt.sameID {
						t.Errorf("trace %s; that it is the caller's: want %v", sc.TraceID(), tt.sameID)
					}
				})
			}
		})
	}
}

func TestDropWithoutProvider(t *testing.T) {
	h := httpmw.New(httpmw.Config{Decide: func(*http.Request) httpmw.Decision { return httpmw.Drop }})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(traceparent, sampled)
	h.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsSampled() || sc.TraceID().String() != traceID {
			t.Errorf("context %v", sc)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func TestResponseHeaders(t *testing.T) {
	for _, tt := range []struct {
		rule string
		cfg  httpmw.Config
		told bool
	}{
		{"nothing is told by default", httpmw.Config{}, false},
		{"callers are told their span", httpmw.Config{ResponseHeaders: true}, true},
		{"strangers are not", httpmw.Config{ResponseHeaders: true, Public: true}, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				tt.cfg.TracerProvider = tp
				w := httptest.NewRecorder()
				httpmw.New(tt.cfg).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				sc := spans.one(t).SpanContext()
				want := ""
				if tt.told {
					want = "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
				}
				if got := w.Header().Get("Traceresponse"); got != want {
					t.Errorf("traceresponse %q, want %q", got, want)
				}
				if got := w.Header().Get("Server-Timing"); tt.told && got != `traceparent;desc="`+want+`"` || !tt.told && got != "" {
					t.Errorf("Server-Timing %q", got)
				}
			})
		})
	}
}

func TestJaegerDebugID(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		public bool
		want   string
	}{{"a caller asks for a trace by a name", false, "find-me"}, {"a stranger does not", true, ""}} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Jaeger-Debug-Id", "find-me")
				cfg := httpmw.Config{TracerProvider: tp, Public: tt.public, Propagator: propagation.New(propagation.Config{Extract: []otelpropagation.TextMapPropagator{propagation.Jaeger{}}})}
				httpmw.New(cfg).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(httptest.NewRecorder(), r)
				checkAttrs(t, attrs(spans.one(t)), map[string]string{"jaeger-debug-id": tt.want})
			})
		})
	}
}

// TestLosersAreLinked reads headers that name two traces.
func TestLosersAreLinked(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, sampled)
		r.Header.Set("B3", "11111111111111111111111111111111-2222222222222222-1")
		cfg := httpmw.Config{TracerProvider: tp, Propagator: propagation.New(propagation.Config{LinkConflicts: true})}
		httpmw.New(cfg).Wrap(http.HandlerFunc(okHandler)).ServeHTTP(httptest.NewRecorder(), r)
		got := spans.one(t)
		if links := got.Links(); len(links) != 1 || links[0].SpanContext.SpanID().String() != "2222222222222222" || got.Parent().SpanID().String() != parentID {
			t.Errorf("parent %v, links %v", got.Parent(), links)
		}
	})
}

func TestPublic(t *testing.T) {
	stranger := func(r *http.Request) bool { return r.Header.Get("X-From") == "outside" }
	for _, tt := range []struct {
		rule   string
		cfg    httpmw.Config
		from   string
		public bool
	}{
		{"Public is for every request", httpmw.Config{Public: true}, "inside", true},
		{"PublicRequest decides for one", httpmw.Config{PublicRequest: stranger}, "outside", true},
		{"and against one", httpmw.Config{Public: true, PublicRequest: stranger}, "inside", false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
				tt.cfg.TracerProvider = tp
				var ctx context.Context
				h := httpmw.New(tt.cfg).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }))
				for _, header := range []string{sampled, unsampled} {
					r := httptest.NewRequest("GET", "/", nil)
					r.Header.Set(traceparent, header)
					r.Header.Set("tracestate", "a=1")
					r.Header.Set("baggage", "user=7")
					r.Header.Set("X-From", tt.from)
					h.ServeHTTP(httptest.NewRecorder(), r)
				}
				if !tt.public {
					if n := len(spans.Ended()); n != 1 {
						t.Errorf("%d spans, want that of the sampled caller", n)
					}
					return
				}
				if n := len(spans.Ended()); n != 2 {
					t.Fatalf("%d spans: a stranger chose our sampling", n)
				}
				got := spans.Ended()[0]
				if got.Parent().IsValid() || got.SpanContext().TraceID().String() == traceID || got.SpanContext().TraceState().Len() > 0 {
					t.Errorf("%v with parent %v is no new root", got.SpanContext(), got.Parent())
				}
				if baggage.FromContext(ctx).Len() > 0 {
					t.Error("a stranger's baggage came in")
				}
				links := got.Links()
				if len(links) != 1 || links[0].SpanContext.SpanID().String() != parentID || links[0].SpanContext.TraceState().Len() > 0 {
					t.Errorf("links %v", links)
				}
			})
		})
	}
}

// TestPublicInside has a public handler inside one that has believed the caller and recorded
// nothing.
func TestPublicInside(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		public := httpmw.New(httpmw.Config{TracerProvider: tp, Public: true}).Wrap(http.HandlerFunc(okHandler))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, sampled)
		httpmw.Wrap(public).ServeHTTP(httptest.NewRecorder(), r)
		if got := spans.one(t); got.Parent().IsValid() || len(got.Links()) != 1 {
			t.Errorf("parent %v, links %v", got.Parent(), got.Links())
		}
	})
}

func TestPublicPassThrough(t *testing.T) {
	h := httpmw.New(httpmw.Config{Public: true}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsValid() {
			t.Errorf("a stranger's context came in: %v", sc)
		}
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(traceparent, sampled)
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func TestWrappedTwice(t *testing.T) {
	eachProvider(t, func(t *testing.T, tp trace.TracerProvider, spans ends) {
		m := httpmw.New(httpmw.Config{TracerProvider: tp})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(traceparent, sampled)
		m.Wrap(m.Wrap(http.HandlerFunc(okHandler))).ServeHTTP(httptest.NewRecorder(), r)
		ended := spans.Ended()
		if len(ended) != 2 {
			t.Fatalf("%d spans", len(ended))
		}
		if inner, outer := ended[0], ended[1]; inner.Parent().SpanID() != outer.SpanContext().SpanID() {
			t.Errorf("the inner span is %v's child, not the outer's", inner.Parent())
		}
	})
}
