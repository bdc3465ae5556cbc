package httpmw

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Defaults hold for every [Config] and [ClientConfig] that says nothing else.
type Defaults struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// Server and Client are headers that are recorded.
	Server, Client Capture

	// KnownMethods are all methods that are recorded by their name; any other is _OTHER. Nil
	// means those of RFC 9110, PATCH and QUERY.
	KnownMethods []string
}

// defaults is what [SetDefaults] was told last, if it was.
var defaults atomic.Pointer[Defaults]

// SetDefaults sets what holds for requests from now on. meshtrace.Start calls it with what
// [DefaultsFromEnv] returns.
func SetDefaults(d Defaults) {
	d.KnownMethods = slices.Clone(d.KnownMethods)
	defaults.Store(&d)
}

// DefaultsFromEnv returns the defaults that OpenTelemetry's environment variables say, in lists
// separated by commas: OTEL_INSTRUMENTATION_HTTP_SERVER_CAPTURE_REQUEST_HEADERS, the same with
// RESPONSE, both with CLIENT, and OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS. getenv is [os.Getenv],
// or the like. The error names each variable that has something which cannot be; what is left of
// the lists is in the defaults.
//
// Spec: OpenTelemetry semantic conventions, HTTP spans,
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
func DefaultsFromEnv(getenv func(name string) string) (Defaults, error) {
	const prefix = "OTEL_INSTRUMENTATION_HTTP_"
	var d Defaults
	var errs []error
	for _, variable := range []struct {
		name string
		into *Headers
	}{
		{prefix + "SERVER_CAPTURE_REQUEST_HEADERS", &d.Server.Request},
		{prefix + "SERVER_CAPTURE_RESPONSE_HEADERS", &d.Server.Response},
		{prefix + "CLIENT_CAPTURE_REQUEST_HEADERS", &d.Client.Request},
		{prefix + "CLIENT_CAPTURE_RESPONSE_HEADERS", &d.Client.Response},
	} {
		var err error
		if *variable.into, err = NewHeaders(items(getenv(variable.name))...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", variable.name, err))
		}
	}
	for _, method := range items(getenv(prefix + "KNOWN_METHODS")) {
		if !isToken(method) {
			errs = append(errs, fmt.Errorf("%sKNOWN_METHODS: httpmw: method %q: want letters, digits and dashes", prefix, cut(method)))
			continue
		}
		d.KnownMethods = append(d.KnownMethods, method)
	}
	return d, errors.Join(errs...)
}

// items returns the items of a list that is separated by commas.
func items(list string) (names []string) {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			names = append(names, item)
		}
	}
	return names
}

// capture returns the headers that a server records.
func (cfg *Config) capture() Capture {
	if set := defaults.Load(); set != nil && cfg.Capture.empty() {
		return set.Server
	}
	return cfg.Capture
}

// capture returns the headers that a client records.
func (cfg *ClientConfig) capture() Capture {
	if set := defaults.Load(); set != nil && cfg.Capture.empty() {
		return set.Client
	}
	return cfg.Capture
}

func (c Capture) empty() bool { return c.Request.list.Empty() && c.Response.list.Empty() }

// isKnown reports whether a method is recorded by its name.
func isKnown(method string) bool {
	if set := defaults.Load(); set != nil && set.KnownMethods != nil {
		return slices.Contains(set.KnownMethods, method)
	}
	switch method {
	case "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY":
		return true
	}
	return false
}
