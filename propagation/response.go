package propagation

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// ParseTraceresponse parses the value of a traceresponse header, which a server answers with. It
// has the grammar of traceparent, and the same errors; the span ID is that of the server's span.
//
// Spec: W3C Trace Context Level 3, Traceresponse Header, https://w3c.github.io/trace-context/#traceresponse-header
func ParseTraceresponse(value string) (trace.SpanContext, error) { return ParseTraceparent(value) }

// AppendTraceresponse appends the value of a traceresponse header of version 00 to dst.
//
// Spec: W3C Trace Context Level 3, Traceresponse Header, https://w3c.github.io/trace-context/#traceresponse-header
func AppendTraceresponse(dst []byte, sc trace.SpanContext) []byte { return AppendTraceparent(dst, sc) }

const (
	serverTimingMetric = "traceparent"
	serverTimingStart  = serverTimingMetric + `;desc="`

	// maxServerTiming bounds a Server-Timing header, in which everybody on the way may have
	// written metrics.
	maxServerTiming = 4096
)

// ParseServerTiming returns the span context that a metric named traceparent has for a
// description in the values of the Server-Timing headers, which is how a page's script learns
// what the server has recorded for it. Of several such metrics the first counts.
//
// The error is [ErrMissing] if there is none, [ErrTooLong] if a value is longer than 4096 bytes,
// or one of [ParseTraceparent].
//
// Spec: W3C Server Timing, section 3, https://www.w3.org/TR/server-timing/#the-server-timing-header-field
func ParseServerTiming(values ...string) (trace.SpanContext, error) {
	for _, value := range values {
		if len(value) > maxServerTiming {
			return trace.SpanContext{}, ErrTooLong
		}
		for value != "" {
			var metric string
			metric, value = cutUnquoted(value, ',')
			if name, params := cutUnquoted(metric, ';'); strings.Trim(name, " \t") == serverTimingMetric {
				return parseDescription(params)
			}
		}
	}
	return trace.SpanContext{}, ErrMissing
}

// parseDescription parses the parameter desc, a token or a quoted string.
func parseDescription(params string) (trace.SpanContext, error) {
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "desc") {
			return ParseTraceparent(strings.Trim(strings.Trim(value, " \t"), `"`))
		}
	}
	return trace.SpanContext{}, ErrMissing
}

// cutUnquoted cuts s at the first sep that stands in no quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// AppendServerTiming appends a metric for a Server-Timing header to dst.
//
// Spec: W3C Server Timing, section 3, https://www.w3.org/TR/server-timing/#the-server-timing-header-field
func AppendServerTiming(dst []byte, sc trace.SpanContext) []byte {
	dst = append(dst, serverTimingStart...)
	dst = AppendTraceparent(dst, sc)
	return append(dst, '"')
}

// InjectResponse tells the caller which span its request was: it sets traceresponse, for programs,
// and adds a metric to Server-Timing, for scripts in a browser. Neither for strangers: a trace ID
// is a key to what has been recorded. An invalid sc writes nothing.
//
// A script of another origin sees them only if the answer also has Access-Control-Expose-Headers
// and Timing-Allow-Origin.
func InjectResponse(h http.Header, sc trace.SpanContext) {
	if h == nil || !sc.IsValid() {
		return
	}
	h["Traceresponse"] = []string{string(AppendTraceresponse(nil, sc))}
	h["Server-Timing"] = append(h["Server-Timing"], string(AppendServerTiming(nil, sc)))
}

// ExtractResponse returns the span context that an answer names in traceresponse, or else in
// Server-Timing; it is invalid if there is none.
func ExtractResponse(h http.Header) trace.SpanContext {
	if values := h["Traceresponse"]; len(values) == 1 {
		if sc, err := ParseTraceresponse(values[0]); err == nil {
			return sc
		}
	}
	sc, _ := ParseServerTiming(h["Server-Timing"]...)
	return sc
}
