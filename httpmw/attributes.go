package httpmw

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/meshtrace/meshtrace/internal/pool"
)

// What is said of a request, and by which name: this file alone knows the version of the
// semantic conventions.
//
// Spec: OpenTelemetry semantic conventions 1.43, HTTP spans,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/

const (
	schemaURL      = semconv.SchemaURL
	exceptionEvent = semconv.ExceptionEventName
	otherMethod    = "_OTHER"
	otherError     = "_OTHER"
)

// scratch is room to build attributes in. Spans copy what they are given.
type scratch struct{ list []attribute.KeyValue }

// keptRoom is how many attributes a scratch has room for at the most while it waits: more than
// a request ever has, unless it captures headers by the dozen.
const keptRoom = 64

var scratches = pool.Pool[scratch]{Reset: func(s *scratch) bool {
	clear(s.list) // let the strings go
	s.list = s.list[:0]
	return cap(s.list) <= keptRoom
}}

// appendRequest appends what is known of a request before it is served.
func (m *Middleware) appendRequest(dst []attribute.KeyValue, r *http.Request, pattern string) []attribute.KeyValue {
	dst = appendMethod(dst, r.Method)
	dst = append(dst,
		semconv.URLScheme(scheme(r)),
		semconv.URLPath(r.URL.Path))
	dst = appendProtocol(dst, r.ProtoMajor, r.ProtoMinor)
	if r.URL.RawQuery != "" {
		dst = append(dst, semconv.URLQuery(redactQuery(r.URL.RawQuery)))
	}
	if route := routeOf(pattern); route != "" {
		dst = append(dst, semconv.HTTPRoute(route))
	}
	dst = appendHostPort(dst, r.Host, semconv.ServerAddressKey, semconv.ServerPortKey)
	dst = appendHostPort(dst, r.RemoteAddr, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey)
	if peer, _ := splitHostPort(r.RemoteAddr); peer != "" {
		dst = append(dst, semconv.ClientAddress(peer))
	}
	if agent := r.Header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		dst = append(dst, semconv.UserAgentOriginal(agent[0]))
	}
	if r.ContentLength > 0 {
		dst = append(dst, semconv.HTTPRequestBodySize(int(r.ContentLength)))
	}
	return dst
}

// appendRequest appends what is known of a request before it is sent. The URL is built in c.
func (t *Transport) appendRequest(dst []attribute.KeyValue, req *http.Request, c *call) []attribute.KeyValue {
	dst = appendMethod(dst, req.Method)
	dst = append(dst, semconv.URLFull(c.fullURL(req.URL)))
	host, port := splitHostPort(req.URL.Host)
	switch {
	case port != 0:
	case req.URL.Scheme == "https":
		port = 443
	default:
		port = 80
	}
	dst = append(dst, semconv.ServerAddress(host), semconv.ServerPort(port))
	if n := resends(req); n > 0 {
		dst = append(dst, semconv.HTTPRequestResendCount(n))
	}
	if req.ContentLength > 0 {
		dst = append(dst, semconv.HTTPRequestBodySize(int(req.ContentLength)))
	}
	return dst
}

// maxResends is where counting ends: somebody may have tied the chain into a ring.
const maxResends = 100

// resends returns how many redirects led to req: net/http's client notes in each request which
// response made it send that.
func resends(req *http.Request) int {
	n := 0
	for req != nil && req.Response != nil && n < maxResends {
		n++
		req = req.Response.Request
	}
	return n
}

// appendRoute appends the route if it became known only in the handler, and names the span by it.
func (x *exchange) appendRoute(dst []attribute.KeyValue) []attribute.KeyValue {
	route := routeOf(x.inner.Pattern)
	if route == "" || x.inner.Pattern == x.pattern {
		return dst
	}
	x.span.SetName(spanName(x.inner.Method, x.inner.Pattern))
	return append(dst, semconv.HTTPRoute(route))
}

// appendResponse appends the outcome of a request that was served.
func (x *exchange) appendResponse(dst []attribute.KeyValue, out outcome) []attribute.KeyValue {
	dst = appendOutcome(dst, out)
	if x.outer.Method == http.MethodHead {
		return dst // what the handler wrote was counted and not sent
	}
	return appendBodySize(dst, x.size)
}

// appendBodySize appends the size of a response's body.
func appendBodySize(dst []attribute.KeyValue, size int64) []attribute.KeyValue {
	if size == 0 {
		return dst
	}
	return append(dst, semconv.HTTPResponseBodySize(int(size)))
}

// appendOutcome appends what server and client say of the end in the same words.
func appendOutcome(dst []attribute.KeyValue, out outcome) []attribute.KeyValue {
	if out.status != 0 {
		dst = append(dst, semconv.HTTPResponseStatusCode(out.status))
	}
	if out.errorType != "" {
		dst = append(dst, semconv.ErrorTypeKey.String(out.errorType))
	}
	return dst
}

// appendMethod appends the method, and the original if it is not a known one.
func appendMethod(dst []attribute.KeyValue, method string) []attribute.KeyValue {
	known, original := knownMethod(method)
	dst = append(dst, semconv.HTTPRequestMethodKey.String(known))
	if original != "" {
		dst = append(dst, semconv.HTTPRequestMethodOriginal(original))
	}
	return dst
}

// knownMethod returns the method as http.request.method has it, and the original if that differs:
// whoever sends requests with made-up methods shall not make up span names too.
func knownMethod(method string) (known, original string) {
	switch method {
	case "":
		return http.MethodGet, "" // as net/http's client understands it
	case http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace, "QUERY":
		return method, ""
	}
	return otherMethod, method
}

// scheme returns the scheme by which r came.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// appendProtocol appends the version of HTTP.
func appendProtocol(dst []attribute.KeyValue, major, minor int) []attribute.KeyValue {
	version := ""
	switch {
	case major == 1 && minor == 1:
		version = "1.1"
	case major == 1:
		version = "1.0"
	case major == 2:
		version = "2"
	case major == 3:
		version = "3"
	default:
		return dst
	}
	return append(dst, semconv.NetworkProtocolVersion(version))
}

// appendHostPort appends the address and, if there is one, the port.
func appendHostPort(dst []attribute.KeyValue, hostPort string, address, port attribute.Key) []attribute.KeyValue {
	host, number := splitHostPort(hostPort)
	if host != "" {
		dst = append(dst, address.String(host))
		if number != 0 {
			dst = append(dst, port.Int(number))
		}
	}
	return dst
}

// splitHostPort splits "host:port", "[v6]:port" and either without a port, without allocation.
// The port is 0 if there is none.
func splitHostPort(hostPort string) (host string, port int) {
	host = hostPort
	if i := strings.LastIndexByte(hostPort, ':'); i > strings.LastIndexByte(hostPort, ']') {
		if n, err := strconv.ParseUint(hostPort[i+1:], 10, 16); err == nil {
			port = int(n)
		}
		host = hostPort[:i]
	}
	return strings.Trim(host, "[]"), port
}

// exception describes a panic.
//
// Spec: OpenTelemetry semantic conventions, Exceptions in spans,
// https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
func exception(thrown any, stack []byte) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.ExceptionType(typeName(thrown)),
		semconv.ExceptionMessage(fmt.Sprint(thrown)),
		semconv.ExceptionStacktrace(string(stack)),
	}
}

// typeName returns the name of v's type with its package path. That of an error which is only a
// wrapper is the type of what it wraps.
func typeName(v any) string {
	if err, ok := v.(error); ok {
		return semconv.ErrorType(err).Value.AsString()
	}
	t := reflect.TypeOf(v)
	if t.PkgPath() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}
