package linkerd

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// recordedHeaders are the request headers that become attributes, by their lower-case names.
var recordedHeaders = []string{"content-length", "content-type", "l5d-orig-proto"}

// requestAttributes describes req as the layer sees it. All values are strings, numbers too.
func requestAttributes(d direction, req *http.Request) []*commonpb.KeyValue {
	attrs := []*commonpb.KeyValue{
		text("direction", string(d)),
		text("http.request.method", req.Method),
		text("url.path", req.URL.EscapedPath()),
		text("url.full", fullURL(req.URL)),
		text("network.transport", "tcp"),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, text(key, value))
		}
	}
	host, port := serverAddress(req)
	add("url.scheme", req.URL.Scheme)
	add("url.query", req.URL.RawQuery)
	add("server.address", host)
	add("server.port", port)
	add("user_agent.original", req.Header.Get("User-Agent"))
	for _, name := range recordedHeaders {
		add("http.request.header."+name, req.Header.Get(name))
	}
	return attrs
}

// fullURL returns u, with the query as it is but without passwords. It is relative if the request
// line was, and nothing has made it absolute yet.
func fullURL(u *url.URL) string {
	if u.Scheme == "" {
		return u.RequestURI()
	}
	redacted := *u
	if u.User != nil {
		redacted.User = url.User("REDACTED")
		if _, ok := u.User.Password(); ok {
			redacted.User = url.UserPassword("REDACTED", "REDACTED")
		}
	}
	return redacted.String()
}

// serverAddress splits the Host header. A request that was always HTTP/2 has none: the real proxy
// looks for a header named :authority, which can never be there.
func serverAddress(req *http.Request) (host, port string) {
	authority := req.Header.Get("X-Forwarded-Host")
	if authority == "" && (req.ProtoMajor == 1 || req.Header.Get(origProtoHeader) != "") {
		authority = req.Host
	}
	if host, port, err := net.SplitHostPort(authority); err == nil {
		return host, port
	}
	return strings.Trim(authority, "[]"), ""
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func integer(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}
