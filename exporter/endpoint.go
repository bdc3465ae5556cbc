package exporter

// The endpoint setting: a URL whose scheme says which protocol is spoken.

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// destination is where spans go, in which protocol, by which call.
type destination struct {
	url      url.URL // http or https, without user information
	user     *url.Userinfo
	protocol protocol
	call     call
}

// scheme is what a scheme stands for.
type scheme struct {
	transport string // http or https
	port      string // default; empty: the transport's own
	path      string // default; the method, with gRPC
	protocol  protocol
	call      call
}

const (
	otlpMethod   = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	jaegerMethod = "/jaeger.api_v2.CollectorService/PostSpans"
)

var schemes = map[string]scheme{
	"http":         {"http", "", "/v1/traces", otlp{}, post{}},
	"https":        {"https", "", "/v1/traces", otlp{}, post{}},
	"grpc":         {"http", "4317", otlpMethod, otlp{}, unary{}},
	"grpcs":        {"https", "4317", otlpMethod, otlp{}, unary{}},
	"jaeger+http":  {"http", "14268", "/api/traces", jaegerThrift{}, post{}},
	"jaeger+https": {"https", "14268", "/api/traces", jaegerThrift{}, post{}},
	"jaeger+grpc":  {"http", "14250", jaegerMethod, jaegerProto{}, unary{}},
	"jaeger+grpcs": {"https", "14250", jaegerMethod, jaegerProto{}, unary{}},
}

// parseEndpoint reads the setting. Its error shows the endpoint without credentials.
func parseEndpoint(endpoint string) (destination, error) {
	invalid := func(rule string) (destination, error) {
		return destination{}, fmt.Errorf("exporter: Endpoint %q: %s", redacted(endpoint), rule)
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return invalid("must be a URL")
	}
	s, ok := schemes[u.Scheme]
	if !ok {
		return invalid("the scheme must be one of " + strings.Join(slices.Sorted(maps.Keys(schemes)), ", "))
	}
	if u.Hostname() == "" {
		return invalid("must name a host")
	}
	if !validPort(u) {
		return invalid("the port must be from 1 to 65535")
	}
	if u.Fragment != "" {
		return invalid("must not have a fragment")
	}
	if s.call == (unary{}) && (u.Path != "" && u.Path != "/" || u.RawQuery != "") {
		return invalid("must not have a path or query: gRPC's method takes their place")
	}
	d := destination{url: *u, user: u.User, protocol: s.protocol, call: s.call}
	d.url.Scheme, d.url.User = s.transport, nil
	if u.Port() == "" && s.port != "" {
		d.url.Host = net.JoinHostPort(u.Hostname(), s.port)
	}
	if u.Path == "" || u.Path == "/" {
		d.url.Path = s.path
	}
	return d, nil
}

// validPort reports whether u has a port that exists, or none and no colon either.
func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// shown returns the address as errors show it. A query may hold a key, so it is left out.
func (d destination) shown() string {
	u := d.url
	u.RawQuery = ""
	return u.String()
}

// redacted returns endpoint as errors show it, even if it is no URL: without user information, and
// without query and fragment. A password may hold any character, so the last @ ends it.
func redacted(endpoint string) string {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok || strings.ContainsAny(scheme, "@?#") {
		scheme, rest = "", endpoint
	} else {
		scheme += "://"
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return cut(scheme + rest)
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}
