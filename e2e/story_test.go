package e2e_test

import (
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
)

// A story is what happens to a request in the example: it goes from service to service, and each
// has a proxy on both its sides. The zero value is a request without trace headers.
type story struct {
	parent  string // the span ID that came from outside, or ""
	b3      bool   // the services speak B3
	failing bool   // the profile-service has lost every other profile, beginning with the first
}

// services are those of the example in the order of a request, as templates for a user's ID. The
// last one is called by gRPC.
var services = []struct {
	name, route, method string
	answer, failure     string // by HTTP
}{
	{name: "frontend", route: "/profile/{id}", answer: "user {id}: I am number {id}\n", failure: "user-service: status 502\n"},
	{name: "user-service", route: "/users/{id}", answer: `{"Name":"user {id}","Motto":"I am number {id}"}` + "\n",
		failure: "rpc error: code = DataLoss desc = the profile is lost\n"},
	{name: "profile-service", method: "profile.v1.ProfileService/GetProfile"},
}

// A hop is a request to one service.
type hop struct {
	service   string
	method    string // of gRPC, or "" if it is HTTP
	route     string // of HTTP
	path      string
	status    int // of the HTTP response, which is 200 if it is gRPC
	bodyBytes int // of the answer by HTTP
	first     bool
	failed    bool
}

// hop returns the request to the i-th service for a user.
func (st story) hop(i, user int) hop {
	s := services[i]
	fill := func(template string) string { return strings.ReplaceAll(template, "{id}", strconv.Itoa(user)) }
	h := hop{service: s.name, method: s.method, route: s.route, first: i == 0, failed: st.failing && user%2 == 1}
	switch {
	case h.method != "":
		h.path, h.status = "/"+h.method, http.StatusOK
	case h.failed:
		h.path, h.status, h.bodyBytes = fill(s.route), http.StatusBadGateway, len(s.failure)
	default:
		h.path, h.status, h.bodyBytes = fill(s.route), http.StatusOK, len(fill(s.answer))
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
	s := h.httpSpan(h.service, http.MethodGet+" "+h.route, trace.SpanKindServer, pid)
	if h.method != "" {
		s = h.grpcSpan(h.service, trace.SpanKindServer, pid)
		s.Attrs["client.port"] = hidden
	} else {
		s.Attrs["http.route"] = h.route
		s.Attrs["http.response.body.size"] = int64(h.bodyBytes)
		s.Attrs["url.scheme"] = "http"
		s.Attrs["url.path"] = h.path
		s.Attrs["user_agent.original"] = "Go-http-client/1.1"
	}
	s.Flags = st.traceFlags(i) | remoteParent
	if h.first && st.parent == "" { // it starts the trace
		s.Flags = st.traceFlags(i) | localParent
	}
	s.Attrs["server.address"] = h.service
	s.Attrs["client.address"] = "127.0.0.1"
	s.Attrs["network.peer.address"] = "127.0.0.1"
	s.Attrs["network.peer.port"] = hidden
	return s
}

// clientSpan is the i-th service's, of a request that it makes.
func (st story) clientSpan(i int, to hop, service string, pid int) jaegertest.Span {
	s := to.httpSpan(service, http.MethodGet, trace.SpanKindClient, pid)
	if to.method != "" {
		s = to.grpcSpan(service, trace.SpanKindClient, pid)
	} else {
		s.Attrs["url.full"] = "http://" + to.service + to.path
		s.Attrs["server.port"] = int64(80)
		s.Attrs["meshtrace.time_to_first_byte_ms"] = hidden
		if !to.failed { // otherwise nobody reads the answer
			s.Attrs["http.response.body.size"] = int64(to.bodyBytes)
		}
	}
	s.Flags = st.traceFlags(i) | localParent
	s.Attrs["server.address"] = to.service
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

// httpSpan is what the spans of a service have in common that are of HTTP.
func (h hop) httpSpan(service, name string, kind trace.SpanKind, pid int) jaegertest.Span {
	s := appSpan(service, name, kind, "httpmw", pid)
	s.Attrs["http.request.method"] = http.MethodGet
	s.Attrs["http.response.status_code"] = int64(h.status)
	s.Attrs["network.protocol.version"] = "1.1"
	if h.failed {
		s.Status.Code = "error"
		s.Attrs["error.type"] = strconv.Itoa(h.status)
	}
	return s
}

// grpcSpan is what the spans of a service have in common that are of gRPC.
func (h hop) grpcSpan(service string, kind trace.SpanKind, pid int) jaegertest.Span {
	s := appSpan(service, h.method, kind, "grpcmw", pid)
	s.Attrs["rpc.system.name"] = "grpc"
	s.Attrs["rpc.method"] = h.method
	s.Attrs["rpc.response.status_code"] = "OK"
	if h.failed {
		s.Status = jaegertest.Status{Code: "error", Message: "the profile is lost"}
		s.Attrs["rpc.response.status_code"] = "DATA_LOSS"
		s.Attrs["error.type"] = "DATA_LOSS"
	}
	return s
}

// appSpan is what the spans of a service have in common that a package of ours has made.
func appSpan(service, name string, kind trace.SpanKind, scope string, pid int) jaegertest.Span {
	return jaegertest.Span{
		Name:   name,
		Kind:   kind,
		Status: jaegertest.Status{Code: "unset"},
		Attrs:  make(jaegertest.Attrs),
		Scope:  jaegertest.Scope{Name: "github.com/meshtrace/meshtrace/" + scope},
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
	if h.method != "" { // HTTP/2 all the way, which has no Host header
		s.Attrs["http.request.method"] = http.MethodPost
		s.Attrs["http.request.header.content-type"] = "application/grpc"
		s.Attrs["user_agent.original"] = "grpc-go/" + grpc.Version
		delete(s.Attrs, "server.address")
		return s
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
