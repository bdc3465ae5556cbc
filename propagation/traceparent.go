package propagation

import (
	"encoding/binary"

	"go.opentelemetry.io/otel/trace"
)

// A traceparent of version 00, to be filled in.
const (
	traceparentForm = "00-00000000000000000000000000000000-0000000000000000-00"
	traceparentLen  = len(traceparentForm)
)

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
	sc := trace.SpanContextConfig{Remote: true}
	in := scanner{rest: value}
	version := in.hexByte()
	in.skip('-')
	in.hex(sc.TraceID[:])
	in.skip('-')
	in.hex(sc.SpanID[:])
	in.skip('-')
	flags := in.hexByte()
	switch {
	case in.failed, version == 0xff:
		return trace.SpanContext{}, ErrSyntax
	case in.rest == "": // the four fields of version 00, and no more
	case version == 0, in.rest[0] != '-': // only a later version may go on, after a dash
		return trace.SpanContext{}, ErrSyntax
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return trace.SpanContext{}, ErrZeroID
	}
	sc.TraceFlags = trace.TraceFlags(flags) & knownFlags(version)
	return trace.NewSpanContext(sc), nil
}

// parse00 parses what nearly every request has, a traceparent of version 00, at fixed places and in
// half the time (BenchmarkExtract). It does not say why it refuses a value, which is then for
// ParseTraceparent to say.
func parse00(value string, sc *trace.SpanContext) bool {
	if len(value) != traceparentLen || value[:3] != "00-" || value[35] != '-' || value[52] != '-' {
		return false
	}
	flags1, flags2 := lowerNibble[value[53]], lowerNibble[value[54]]
	cfg := trace.SpanContextConfig{TraceFlags: trace.TraceFlags(flags2) & knownFlags(0), Remote: true}
	if flags1|flags2 > 0xf || !parseIDs(value[3:35], value[36:52], &cfg) {
		return false
	}
	*sc = trace.NewSpanContext(cfg)
	return true
}

// parseIDs parses 32 and 16 lower-case hex digits. It refuses zero IDs.
func parseIDs(traceID, spanID string, sc *trace.SpanContextConfig) bool {
	hi, valid1 := decode16(traceID)
	binary.LittleEndian.PutUint64(sc.TraceID[:8], hi)
	lo, valid2 := decode16(traceID[16:])
	binary.LittleEndian.PutUint64(sc.TraceID[8:], lo)
	id, valid3 := decode16(spanID)
	binary.LittleEndian.PutUint64(sc.SpanID[:], id)
	return valid1&valid2&valid3 == allDigits && hi|lo != 0 && id != 0
}

// AppendTraceparent appends the value of a traceparent header of version 00 to dst. Of the
// flags it writes sampled and random: the specification has all others set to zero. It writes
// zero IDs as they are; check sc.IsValid first.
//
// Spec: W3C Trace Context Level 2, section 3.2, https://www.w3.org/TR/trace-context-2/#traceparent-header
func AppendTraceparent(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = append(dst, traceparentForm...)
	text := dst[len(dst)-traceparentLen:]
	putHex(text[3:35], traceID[:])
	putHex(text[36:52], spanID[:])
	text[54] = hexDigits[sc.TraceFlags()&knownFlags(0)]
	return dst
}

// knownFlags returns the flags that have a meaning in the given version.
func knownFlags(version byte) trace.TraceFlags {
	if version == 0 {
		return trace.FlagsSampled | trace.FlagsRandom
	}
	return trace.FlagsSampled // section 3.2.4: all that may be parsed of a later version
}
