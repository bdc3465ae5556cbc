package propagation

import (
	"context"
	"encoding/base64"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The binary format: its version, then fields, each an ID and as many bytes as that ID has.
const (
	binVersion = 0
	binTraceID = 0
	binSpanID  = 1
	binOptions = 2

	binLen    = 1 + 1 + len(trace.TraceID{}) + 1 + len(trace.SpanID{}) + 1 + 1
	maxBinLen = 96
)

// ParseGRPCTraceBin parses the decoded value of a grpc-trace-bin header. The result is valid and
// remote. ParseGRPCTraceBin does not allocate, and does not keep bin.
//
// Fields may come in any order, as Linkerd's proxy reads them; of those with the same ID the last
// counts; an unknown ID ends the parsing, since its length is not known. Of the options only the
// sampled bit has a meaning.
//
// The error is [ErrSyntax], [ErrMissing], [ErrZeroID] or [ErrTooLong].
//
// Spec: OpenCensus, BinaryEncoding, https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md
func ParseGRPCTraceBin(bin []byte) (trace.SpanContext, error) {
	if len(bin) > maxBinLen {
		return trace.SpanContext{}, ErrTooLong
	}
	if len(bin) == 0 || bin[0] != binVersion {
		return trace.SpanContext{}, ErrSyntax
	}
	var options [1]byte
	sc := trace.SpanContextConfig{Remote: true}
	fields := [...][]byte{binTraceID: sc.TraceID[:], binSpanID: sc.SpanID[:], binOptions: options[:]}
	seen := 0
	for rest := bin[1:]; len(rest) > 0 && int(rest[0]) < len(fields); {
		dst := fields[rest[0]]
		if len(rest)-1 < len(dst) {
			return trace.SpanContext{}, ErrSyntax
		}
		seen |= 1 << rest[0]
		rest = rest[1+copy(dst, rest[1:]):]
	}
	if seen&(1<<binTraceID) == 0 || seen&(1<<binSpanID) == 0 {
		return trace.SpanContext{}, ErrMissing
	}
	if !sc.TraceID.IsValid() || !sc.SpanID.IsValid() {
		return trace.SpanContext{}, ErrZeroID
	}
	sc.TraceFlags = trace.TraceFlags(options[0]) & trace.FlagsSampled
	return trace.NewSpanContext(sc), nil
}

// AppendGRPCTraceBin appends the decoded value of a grpc-trace-bin header to dst: 29 bytes. It
// writes zero IDs as they are; check sc.IsValid first.
//
// Spec: OpenCensus, BinaryEncoding, https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md
func AppendGRPCTraceBin(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = append(dst, binVersion, binTraceID)
	dst = append(dst, traceID[:]...)
	dst = append(dst, binSpanID)
	dst = append(dst, spanID[:]...)
	return append(dst, binOptions, byte(sc.TraceFlags()&trace.FlagsSampled))
}

// GRPCTraceBin is the propagator of OpenCensus's binary header grpc-trace-bin.
//
// An http.Header and a map of strings hold it in base64, of which padded and unpadded is read, and
// padded is written. All other carriers are taken for gRPC metadata, which holds the bytes as
// they are, and where gRPC does the base64; base64 is read there too.
//
// In Linkerd's mesh: the proxy reads it if there is no traceparent, and rewrites it with padding.
// But since version 2.320 it understands it only with padding, which grpc-go never writes: from a
// gRPC service in Go it passes through the mesh unread. Send traceparent.
//
// Spec: OpenCensus, BinaryEncoding, https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md
type GRPCTraceBin struct {
	_ struct{}
}

var _ otelpropagation.TextMapPropagator = GRPCTraceBin{}

// Extract returns ctx with the remote span context that from holds, or ctx if it holds none.
func (p GRPCTraceBin) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	return extract(ctx, from, p)
}

// Inject writes the span context of ctx into the carrier. Without a span in ctx it writes
// nothing, and removes a header that is malformed.
func (p GRPCTraceBin) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	inject(ctx, into, p)
}

// Fields returns the name of the header that Inject writes.
func (p GRPCTraceBin) Fields() []string { return p.writes().names() }

func (GRPCTraceBin) reads() fieldSet  { return fieldsOf(fieldGRPCTraceBin) }
func (GRPCTraceBin) writes() fieldSet { return fieldsOf(fieldGRPCTraceBin) }
func (GRPCTraceBin) heads() fieldSet  { return fieldsOf(fieldGRPCTraceBin) }

func (GRPCTraceBin) read(c carrier) found {
	value := c.first(fieldGRPCTraceBin)
	if value == "" {
		return found{}
	}
	return readGRPCTraceBin(value)
}

// readGRPCTraceBin reads the bytes as they are, or base64. It tells them apart by the version,
// which is no character of base64.
func readGRPCTraceBin(value string) found {
	if value[0] == binVersion {
		return foundGRPCTraceBin([]byte(value))
	}
	if len(value) > base64.StdEncoding.EncodedLen(maxBinLen) || strings.ContainsAny(value, "\r\n") { // which Go's decoder skips
		return found{}
	}
	encoding := rawBase64
	if len(value)%4 == 0 {
		encoding = paddedBase64
	}
	var buf [maxBinLen]byte
	n, err := encoding.Decode(buf[:], []byte(value))
	if err != nil {
		return found{}
	}
	return foundGRPCTraceBin(buf[:n])
}

func foundGRPCTraceBin(bin []byte) found {
	sc, err := ParseGRPCTraceBin(bin)
	if err != nil {
		return found{}
	}
	return found{sc: sc}
}

// As strict as the proxy: whatever it does not read, it has not rewritten.
var paddedBase64, rawBase64 = base64.StdEncoding.Strict(), base64.RawStdEncoding.Strict()

func (GRPCTraceBin) write(ctx context.Context, sc trace.SpanContext, c carrier) {
	bin := AppendGRPCTraceBin(make([]byte, 0, binLen), sc)
	b := new(block)
	if c.text() {
		b.add(0, paddedBase64.AppendEncode(b.free(), bin))
	} else {
		b.add(0, append(b.free(), bin...))
	}
	b.write(&c, fieldGRPCTraceBin)
}
