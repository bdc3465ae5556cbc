package httpmw

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// What is measured, and by what. Nothing of this is built unless there is a MeterProvider.
//
// Spec: OpenTelemetry semantic conventions 1.43, HTTP metrics,
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/

// serverMeters are a server's instruments.
type serverMeters struct {
	duration metric.Float64Histogram
	active   metric.Int64UpDownCounter
	request  metric.Int64Histogram
	response metric.Int64Histogram
	sets     sets
}

func newServerMeters(m metric.Meter) *serverMeters {
	return &serverMeters{
		duration: newDuration(m, "http.server.request.duration", "Duration of HTTP server requests."),
		active:   newActive(m, "http.server.active_requests", "Number of active HTTP server requests."),
		request:  newSize(m, "http.server.request.body.size", "Size of HTTP server request bodies."),
		response: newSize(m, "http.server.response.body.size", "Size of HTTP server response bodies."),
	}
}

// begin counts a request in.
func (m *serverMeters) begin(x *exchange) {
	x.active = m.sets.of(x.measured())
	m.active.Add(x, 1, x.active.add...)
}

// end counts a request out.
func (m *serverMeters) end(x *exchange) { m.active.Add(x, -1, x.active.add...) }

// record measures a request that was served. Its context carries its span, for exemplars.
func (m *serverMeters) record(x *exchange, out outcome, to route) {
	if !m.duration.Enabled(x) && !m.request.Enabled(x) && !m.response.Enabled(x) {
		return
	}
	key := x.measured()
	key.protocol = protocol(x.outer.ProtoMajor, x.outer.ProtoMinor)
	key.route, key.status, key.errorType = to.path, out.status, out.errorType
	by := m.sets.of(key).record
	m.duration.Record(x, (clock() - x.arrived).Seconds(), by...)
	m.request.Record(x, x.requestSize(), by...)
	m.response.Record(x, x.responseSize(), by...)
}

// measured returns what is known of a request while it is active.
func (x *exchange) measured() measured {
	method, _ := knownMethod(x.outer.Method)
	return measured{method: method, scheme: x.m.scheme(x.outer)}
}

// clientMeters are a client's instruments.
type clientMeters struct {
	duration metric.Float64Histogram
	request  metric.Int64Histogram
	response metric.Int64Histogram
	sets     sets
}

func newClientMeters(m metric.Meter) *clientMeters {
	return &clientMeters{
		duration: newDuration(m, "http.client.request.duration", "Duration of HTTP client requests."),
		request:  newSize(m, "http.client.request.body.size", "Size of HTTP client request bodies."),
		response: newSize(m, "http.client.response.body.size", "Size of HTTP client response bodies."),
	}
}

// end measures a request that has ended.
func (m *clientMeters) end(c *call) {
	ctx := c.ctx // which carries the span, for exemplars
	if !m.duration.Enabled(ctx) && !m.request.Enabled(ctx) && !m.response.Enabled(ctx) {
		return
	}
	key := measured{protocol: c.protocol, status: c.out.status, errorType: c.out.errorType, template: saidBy(ctx).template}
	key.method, _ = knownMethod(c.req.Method)
	key.scheme = c.req.URL.Scheme
	key.host, key.port = serverOf(c.req)
	by := m.sets.of(key).record
	m.duration.Record(ctx, (clock() - c.sent).Seconds(), by...)
	m.request.Record(ctx, max(c.req.ContentLength, 0), by...)
	m.response.Record(ctx, c.size, by...)
}

// measured is what measurements are told apart by. None of it is what differs with each request.
type measured struct {
	method, scheme, protocol string
	route                    string
	host                     string
	port                     int
	template                 string
	status                   int
	errorType                string
}

// sets are the attribute sets of measurements. They are few, for routes are; so each is built
// once. A lookup takes no lock.
type sets struct {
	all atomic.Pointer[map[measured]*set]
	mu  sync.Mutex // held to add one
}

// set is an attribute set as the instruments want to have it.
type set struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// maxSets is how many sets there may be. What is not bounded after all, as the hosts of a crawler
// or a route that somebody made of the path, is measured together once they are used up.
const maxSets = 1000

var overflowSet = newSet(overflow)

func newSet(attrs attribute.Set) *set {
	by := metric.WithAttributeSet(attrs)
	return &set{add: []metric.AddOption{by}, record: []metric.RecordOption{by}}
}

// of returns the set for k.
func (s *sets) of(k measured) *set {
	if all := s.all.Load(); all != nil {
		if found := (*all)[k]; found != nil {
			return found
		}
		if len(*all) >= maxSets {
			return overflowSet
		}
	}
	return s.make(k)
}

func (s *sets) make(k measured) *set {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[measured]*set{}
	if old := s.all.Load(); old != nil {
		if found := (*old)[k]; found != nil {
			return found
		}
		all = maps.Clone(*old)
	}
	made := newSet(k.attributes())
	all[k] = made
	s.all.Store(&all)
	return made
}

// newDuration returns a histogram of seconds, with the boundaries that the conventions advise.
func newDuration(m metric.Meter, name, description string) metric.Float64Histogram {
	return must(m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)))
}

func newSize(m metric.Meter, name, description string) metric.Int64Histogram {
	return must(m.Int64Histogram(name, metric.WithUnit("By"), metric.WithDescription(description)))
}

func newActive(m metric.Meter, name, description string) metric.Int64UpDownCounter {
	return must(m.Int64UpDownCounter(name, metric.WithUnit("{request}"), metric.WithDescription(description)))
}

// must returns an instrument. If its name or unit were wrong, the provider would say so and return
// one that works all the same.
func must[Instrument any](i Instrument, err error) Instrument {
	if err != nil {
		otel.Handle(err)
	}
	return i
}
