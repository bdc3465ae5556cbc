package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// A story is what happens to a request in the example: it goes from service to service, and each
// has a proxy on both its sides. The zero value is a request without trace headers.
type story struct {
	parent  string // the span ID that came from outside, or ""
	b3      bool   // the services speak B3
	failing bool   // the profile-service has lost every other profile, beginning with the first
}

// services are those of the example in the order of a request, as templates for a user's number.
var services = []struct {
	name, path, route string
	answer            string
	failure           string
	failureStatus     int
}{
	{"frontend", "/profile/%d", "/profile/{id}", "user %[1]d: I am number %[1]d\n", "user-service: status 502\n", http.StatusBadGateway},
	{"user-service", "/users/%d", "/users/{id}", `{"Name":"user %[1]d","Profile":{"Motto":"I am number %[1]d"}}` + "\n", "profile-service: status 500\n", http.StatusBadGateway},
	{"profile-service", "/profiles/%d", "/profiles/{id}", `{"Motto":"I am number %d"}` + "\n", "the profile is lost\n", http.StatusInternalServerError},
}

// A hop is a request to one service.
type hop struct {
	service   string
	path      string
	route     string
	status    int
	bodyBytes int  // of the answer
	first     bool // it comes from outside of the mesh
}

// hop returns the request to the i-th service for a user.
func (st story) hop(i, user int) hop {
	s := services[i]
	h := hop{service: s.name, path: fmt.Sprintf(s.path, user), route: s.route, first: i == 0}
	if st.failing && user%2 == 1 {
		h.status, h.bodyBytes = s.failureStatus, len(s.failure)
	} else {
		h.status, h.bodyBytes = http.StatusOK, len(fmt.Sprintf(s.answer, user))
	}
	return h
}

// spans returns the spans that a user's request leaves, each the child of the one before, as
// anonymous has them. pid is the example's process.
func (st story) spans(user, pid int) []jaegertest.Span {
	var spans []jaegertest.Span
	add := func(all ...jaegertest.Span) { spans = append(spans, all...) }
	for i := range services {
		h := st.hop(i, user)
		if i > 0 || st.parent != "" { // a proxy takes part in what has a trace
			add(h.proxySpan("inbound", trace.SpanKindServer, h.service, pid), h.proxySpan("inbound", trace.SpanKindClient, h.service, pid))
		}
		add(st.serverSpan(i, h, pid))
		if i+1 < len(services) {
			to := st.hop(i+1, user)
			add(st.clientSpan(i, to, h.service, pid))
			add(to.proxySpan("outbound", trace.SpanKindServer, h.service, pid), to.proxySpan("outbound", trace.SpanKindClient, h.service, pid))
		}
	}
	for i := range spans {
		spans[i].ID = place(i)
		if i > 0 {
			spans[i].ParentID = place(i - 1)
		}
	}
	spans[0].ParentID = st.parent
	return spans
}

// The bits of OTLP's flags beyond W3C's: whether the parent is remote is known, and so it is.
const (
	localParent  = 0x100
	remoteParent = 0x300
)

// serverSpan is the i-th service's, of a request to it.
func (st story) serverSpan(i int, h hop, pid int) jaegertest.Span {
	parent := uint32(remoteParent)
	if h.first && st.parent == "" { // it starts the trace
		parent = localParent
	}
	s := appSpan(h.service, http.MethodGet+" "+h.route, trace.SpanKindServer, h.status, pid)
	s.Flags = parent | st.traceFlags(i)
	s.Attrs["http.route"] = h.route
	s.Attrs["http.response.body.size"] = int64(h.bodyBytes)
	s.Attrs["url.scheme"] = "http"
	s.Attrs["url.path"] = h.path
	s.Attrs["server.address"] = h.service
	s.Attrs["client.address"] = "127.0.0.1"
	s.Attrs["network.peer.address"] = "127.0.0.1"
	s.Attrs["network.peer.port"] = hidden
	s.Attrs["user_agent.original"] = "Go-http-client/1.1"
	return s
}

// clientSpan is the i-th service's, of a request that it makes.
func (st story) clientSpan(i int, to hop, service string, pid int) jaegertest.Span {
	s := appSpan(service, http.MethodGet, trace.SpanKindClient, to.status, pid)
	s.Flags = localParent | st.traceFlags(i)
	s.Attrs["url.full"] = "http://" + to.service + to.path
	s.Attrs["server.address"] = to.service
	s.Attrs["server.port"] = int64(80)
	s.Attrs["meshtrace.time_to_first_byte_ms"] = hidden
	if to.status == http.StatusOK { // otherwise nobody reads the answer
		s.Attrs["http.response.body.size"] = int64(to.bodyBytes)
	}
	return s
}

// traceFlags returns W3C's flags at the i-th service. One that starts a trace says that its ID is
// random; B3 cannot carry that on.
func (st story) traceFlags(i int) uint32 {
	flags := trace.FlagsSampled
	if st.parent == "" && (i == 0 || !st.b3) {
		flags |= trace.FlagsRandom
	}
	return uint32(flags)
}

// appSpan is what the spans of services have in common.
func appSpan(service, name string, kind trace.SpanKind, status, pid int) jaegertest.Span {
	s := jaegertest.Span{
		Name:   name,
		Kind:   kind,
		Status: jaegertest.Status{Code: "unset"},
		Attrs: jaegertest.Attrs{
			"http.request.method":       http.MethodGet,
			"http.response.status_code": int64(status),
			"network.protocol.version":  "1.1",
		},
		Scope: jaegertest.Scope{Name: "github.com/meshtrace/meshtrace/httpmw"},
		Resource: jaegertest.Attrs{
			"service.name":            service,
			"host.name":               hostname(),
			"process.pid":             int64(pid),
			"process.executable.name": "profile",
			"process.runtime.name":    "go",
			"process.runtime.version": runtime.Version(),
			"telemetry.sdk.name":      "meshtrace",
			"telemetry.sdk.language":  "go",
		},
	}
	if status >= http.StatusInternalServerError {
		s.Status.Code = "error"
		s.Attrs["error.type"] = strconv.Itoa(status)
	}
	return s
}

// proxySpan is that of the proxy of a service, of request h. All its attributes are texts, and
// nothing is an error to it.
func (h hop) proxySpan(direction string, kind trace.SpanKind, service string, pid int) jaegertest.Span {
	s := jaegertest.Span{
		Name:   h.path,
		Kind:   kind,
		Flags:  remoteParent, // even if it is not
		Status: jaegertest.Status{Code: "unset"},
		Attrs: jaegertest.Attrs{
			"direction":                 direction,
			"http.request.method":       http.MethodGet,
			"http.response.status_code": strconv.Itoa(h.status),
			"network.transport":         "tcp",
			"server.address":            h.service,
			"url.scheme":                "http",
			"url.path":                  h.path,
			"url.full":                  "http://" + h.service + h.path,
			"user_agent.original":       "Go-http-client/1.1",
		},
		Resource: jaegertest.Attrs{
			"service.name":            service, // a proxy has its application's name
			"host.name":               service + "-0",
			"process.pid":             int64(pid), // the example's proxies run in its process
			"process.start_timestamp": hidden,
		},
	}
	if direction == "inbound" && kind == trace.SpanKindServer { // it sees the request as it came
		if h.first { // from outside, with nothing but a path
			delete(s.Attrs, "url.scheme")
			s.Attrs["url.full"] = h.path
		} else { // from another proxy, as HTTP/2
			s.Attrs["http.request.header.l5d-orig-proto"] = "HTTP/1.1"
		}
	}
	return s
}

func isProxy(s jaegertest.Span) bool { return s.Attrs["direction"] != nil }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		panic(err)
	}
	return name
}
