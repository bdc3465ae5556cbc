package httpmw

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/meshtrace/meshtrace/internal/excerpt"
	"github.com/meshtrace/meshtrace/internal/pool"
)

// What is said of a request, and by which name: only this file, and package exception for a panic,
// know the version of the semantic conventions.
//
// Spec: OpenTelemetry semantic conventions 1.43, HTTP spans,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/

const (
	schemaURL   = semconv.SchemaURL
	otherMethod = "_OTHER"
	otherError  = "_OTHER"
)

// debugIDKey is what Jaeger looks for.
const debugIDKey = attribute.Key("jaeger-debug-id")

func requestHeader(name string) attribute.Key  { return attribute.Key("http.request.header." + name) }
func responseHeader(name string) attribute.Key { return attribute.Key("http.response.header." + name) }

// incoming is a request to be served, as the subject of its span.
type incoming struct {
	m       *Middleware
	r       *http.Request
	debugID string
	route   route
}

// incomings keeps them for the next request: nobody needs one once the span has started.
var incomings = pool.Pool[incoming]{Reset: func(in *incoming) bool {
	*in = incoming{}
	return true
}}

// AppendAttributes appends what is known of a request before it is served.
func (in *incoming) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	m, r := in.m, in.r
	dst = appendMethod(dst, r.Method)
	dst = append(dst, semconv.URLScheme(m.scheme(r)))
	if u := r.URL; u != nil { // nil only in a test of the handler's
		dst = append(dst, semconv.URLPath(excerpt.Of(u.Path)))
		if u.RawQuery != "" && !m.cfg.OmitQuery {
			dst = append(dst, semconv.URLQuery(m.secrets.redact(excerpt.Of(u.RawQuery))))
		}
	}
	dst = appendProtocol(dst, protocol(r.ProtoMajor, r.ProtoMinor))
	if in.route.path != "" {
		dst = appendRoute(dst, in.route)
	}
	host, port := splitHostPort(m.host(r))
	dst = appendAddress(dst, host, port, semconv.ServerAddressKey, semconv.ServerPortKey)
	peer, port := splitHostPort(r.RemoteAddr)
	dst = appendPeer(dst, peer, port)
	if client := m.clientAddress(r, peer); client != "" {
		dst = append(dst, semconv.ClientAddress(client))
	}
	if agent := r.Header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		dst = append(dst, semconv.UserAgentOriginal(excerpt.Of(agent[0])))
	}
	if r.ContentLength > 0 {
		dst = append(dst, semconv.HTTPRequestBodySize(int(r.ContentLength)))
	}
	if in.debugID != "" {
		dst = append(dst, debugIDKey.String(in.debugID))
	}
	return m.cfg.capture().Request.list.AppendRequest(dst, r.Header)
}

// ending is a request that was served, as the subject of its span.
type ending struct {
	*exchange
	out       outcome
	to        route
	firstByte time.Duration
}

// endings keeps them for the next request.
var endings = pool.Pool[ending]{Reset: func(e *ending) bool {
	*e = ending{}
	return true
}}

// AppendAttributes appends what is known of a request once it was served.
func (e *ending) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	if e.path == "" && e.to.path != "" {
		dst = appendRoute(dst, e.to)
	}
	dst = appendOutcome(dst, e.out)
	dst = appendBodySize(dst, e.responseSize())
	if e.upload != nil {
		dst = append(dst, semconv.HTTPRequestBodySize(int(e.requestSize())))
	}
	if e.firstByte > 0 {
		dst = append(dst, firstByteKey.Float64(milliseconds(e.firstByte)))
	}
	if list := e.m.cfg.capture().Response.list; !list.Empty() {
		dst = list.AppendResponse(dst, e.below.Header())
	}
	return dst
}

// AppendAttributes appends what is known of a request before it is sent.
func (c *call) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	t, req := c.transport, c.req
	dst = appendMethod(dst, req.Method)
	dst = append(dst, semconv.URLFull(excerpt.Of(t.secrets.fullURL(req.URL))))
	host, port := serverOf(req)
	dst = append(dst, semconv.ServerAddress(host), semconv.ServerPort(port))
	if c.said.template != "" {
		dst = append(dst, semconv.URLTemplate(c.said.template))
	}
	if n := c.said.resends(req); n > 0 {
		dst = append(dst, semconv.HTTPRequestResendCount(n))
	}
	if req.ContentLength > 0 {
		dst = append(dst, semconv.HTTPRequestBodySize(int(req.ContentLength)))
	}
	return t.cfg.capture().Request.list.AppendRequest(dst, req.Header)
}

// endedCall is a request that was sent, as the subject of its span.
type endedCall call

// AppendAttributes appends what is known of a request once its response was read.
func (c *endedCall) AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue {
	dst = appendOutcome(dst, c.out)
	if c.status != 0 {
		dst = appendProtocol(dst, c.protocol)
		dst = append(dst, firstByteKey.Float64(milliseconds(c.answered-c.sent)))
	}
	dst = appendBodySize(dst, c.size)
	return c.phases.append(dst)
}

// serverOf returns the host of a URL and its port, which the scheme says if the URL does not.
func serverOf(req *http.Request) (host string, port int) {
	host, port = splitHostPort(req.URL.Host)
	switch {
	case port != 0:
	case req.URL.Scheme == "https":
		port = 443
	default:
		port = 80
	}
	return host, port
}

// appendRoute appends the route.
func appendRoute(dst []attribute.KeyValue, to route) []attribute.KeyValue {
	return append(dst, semconv.HTTPRoute(to.path))
}

// appendBodySize appends the size of a response's body in bytes.
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

// overflow is what stands for all requests that are too diverse to be measured apart.
var overflow = attribute.NewSet(attribute.Bool("otel.metric.overflow", true))

// attributes returns what a measurement is measured by.
func (k measured) attributes() attribute.Set {
	dst := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(k.method)}
	if k.scheme != "" {
		dst = append(dst, semconv.URLScheme(k.scheme))
	}
	dst = appendProtocol(dst, k.protocol)
	if k.route != "" {
		dst = append(dst, semconv.HTTPRoute(k.route))
	}
	if k.template != "" {
		dst = append(dst, semconv.URLTemplate(k.template))
	}
	if k.host != "" {
		dst = append(dst, semconv.ServerAddress(k.host), semconv.ServerPort(k.port))
	}
	return attribute.NewSet(appendOutcome(dst, outcome{status: k.status, errorType: k.errorType})...)
}

// appendMethod appends the method, and the original if it is not a known one.
func appendMethod(dst []attribute.KeyValue, method string) []attribute.KeyValue {
	known, original := knownMethod(method)
	dst = append(dst, semconv.HTTPRequestMethodKey.String(known))
	if original != "" {
		dst = append(dst, semconv.HTTPRequestMethodOriginal(excerpt.Of(original)))
	}
	return dst
}

// knownMethod returns the method as http.request.method has it, and the original if that differs:
// whoever sends requests with made-up methods shall not make up span names too.
func knownMethod(method string) (known, original string) {
	switch {
	case method == "":
		return http.MethodGet, "" // as net/http's client understands it
	case isKnown(method):
		return method, ""
	}
	return otherMethod, method
}

// protocol returns the version of HTTP as network.protocol.version has it, "" if there is no such.
func protocol(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1"
	case major == 1:
		return "1.0"
	case major == 2:
		return "2"
	case major == 3:
		return "3"
	}
	return ""
}

// appendProtocol appends the version of HTTP.
func appendProtocol(dst []attribute.KeyValue, version string) []attribute.KeyValue {
	if version == "" {
		return dst
	}
	return append(dst, semconv.NetworkProtocolVersion(version))
}

// appendPeer appends the address at the other end of the connection.
func appendPeer(dst []attribute.KeyValue, host string, port int) []attribute.KeyValue {
	return appendAddress(dst, host, port, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey)
}

// appendAddress appends a host and its port, as far as there are such.
func appendAddress(dst []attribute.KeyValue, host string, number int, address, port attribute.Key) []attribute.KeyValue {
	if host == "" {
		return dst
	}
	dst = append(dst, address.String(excerpt.Of(host)))
	if number != 0 {
		dst = append(dst, port.Int(number))
	}
	return dst
}
