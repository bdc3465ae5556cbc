package propagation

import "go.opentelemetry.io/otel/trace"

// traceparentLen is the length of a traceparent of version 00.
const traceparentLen = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

// ParseTraceparent parses the value of a traceparent header. The result is valid and remote.
//
// Of a version later than 00 only the IDs and the sampled flag are read; ff is refused.
// Unknown flags are dropped. ParseTraceparent does not allocate, and reads no more of a long
// value than the fields it knows.
//
// The error is [ErrSyntax] or [ErrZeroID].
//
// Spec: W3C Trace Context Level 2, section 3.2, https://www.w3.org/TR/trace-context-2/#traceparent-header
func ParseTraceparent(value string) (trace.SpanContext, error) {
	var version, flags [1]byte
	sc := trace.SpanContextConfig{Remote: true}
	in := scanner{rest: value}
	in.hex(version[:])
	in.skip('-')
	in.hex(sc.TraceID[:])
	in.skip('-')
	in.hex(sc.SpanID[:])
	in.skip('-')
	in.hex(flags[:])
	switch {
	case in.failed, version[0] == 0xff:
		return trace.SpanContext{}, ErrSyntax
	case in.rest == "": // the four fields of version 00, and no more
	case version[0] == 0, in.rest[0] != '-': // only a later version may go on, after a dash
		return trace.SpanContext{}, ErrSyntax
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return trace.SpanContext{}, ErrZeroID
	}
	sc.TraceFlags = trace.TraceFlags(flags[0]) & knownFlags(version[0])
	return trace.NewSpanContext(sc), nil
}

// AppendTraceparent appends the value of a traceparent header of version 00 to dst. Of the
// flags it writes sampled and random: the specification has all others set to zero. It writes
// zero IDs as they are; check sc.IsValid first.
//
// Spec: W3C Trace Context Level 2, section 3.2, https://www.w3.org/TR/trace-context-2/#traceparent-header
func AppendTraceparent(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	flags := sc.TraceFlags() & knownFlags(0)
	dst = append(dst, "00-"...)
	dst = appendHex(dst, traceID[:])
	dst = append(dst, '-')
	dst = appendHex(dst, spanID[:])
	dst = append(dst, '-')
	return append(dst, hexDigits[flags>>4], hexDigits[flags&0xf])
}

// knownFlags returns the flags that have a meaning in the given version.
func knownFlags(version byte) trace.TraceFlags {
	if version == 0 {
		return trace.FlagsSampled | trace.FlagsRandom
	}
	return trace.FlagsSampled // section 3.2.4: all that may be parsed of a later version
}
