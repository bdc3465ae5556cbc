package propagation_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/propagation"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	binID    = "00" + tid
	binSpan  = "01" + sid
	binFlags = "0201"
)

var grpcTraceBinTests = []struct {
	rule string // in the words of the specification, or of Linkerd's proxy
	in   string // hex
	want string // as AppendTraceparent writes it
	err  error
}{
	{"trace ID, span ID and options", "00" + binID + binSpan + binFlags, traceparent, nil},
	{"not sampled", "00" + binID + binSpan + "0200", "00-" + tid + "-" + sid + "-00", nil},
	{"of the options only sampled has a meaning", "00" + binID + binSpan + "02ff", traceparent, nil},
	{"options may be absent", "00" + binID + binSpan, "00-" + tid + "-" + sid + "-00", nil},
	{"fields in any order", "00" + binFlags + binSpan + binID, traceparent, nil},
	{"of a field that repeats the last counts", "00" + binID + "01ffffffffffffffff" + binSpan + "0200" + binFlags, traceparent, nil},
	{"an unknown field ends the parsing", "00" + binID + binSpan + binFlags + "03ffff", traceparent, nil},
	{"an unknown field before the IDs", "0003" + binID + binSpan, "", propagation.ErrMissing},
	{"version 1", "01" + binID + binSpan + binFlags, "", propagation.ErrSyntax},
	{"empty", "", "", propagation.ErrSyntax},
	{"version only", "00", "", propagation.ErrMissing},
	{"options only", "000201", "", propagation.ErrMissing},
	{"no span ID", "00" + binID + binFlags, "", propagation.ErrMissing},
	{"no trace ID", "00" + binSpan + binFlags, "", propagation.ErrMissing},
	{"trace ID truncated", "00" + binID[:32], "", propagation.ErrSyntax},
	{"span ID truncated", "00" + binID + binSpan[:16], "", propagation.ErrSyntax},
	{"options truncated", "00" + binID + binSpan + "02", "", propagation.ErrSyntax},
	{"trace ID is zero", "0000" + zero + zero + binSpan + binFlags, "", propagation.ErrZeroID},
	{"span ID is zero", "00" + binID + "01" + zero + binFlags, "", propagation.ErrZeroID},
	{"too long", "00" + strings.Repeat(binFlags, 48), "", propagation.ErrTooLong},
}

func TestParseGRPCTraceBin(t *testing.T) {
	for _, tt := range grpcTraceBinTests {
		t.Run(tt.rule, func(t *testing.T) {
			bin, err := hex.DecodeString(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			sc, err := propagation.ParseGRPCTraceBin(bin)
			if err != tt.err {
				t.Fatalf("ParseGRPCTraceBin(%x): error %v, want %v", bin, err, tt.err)
			}
			if got := string(propagation.AppendTraceparent(nil, sc)); err == nil && (got != tt.want || !sc.IsRemote()) {
				t.Errorf("ParseGRPCTraceBin(%x) = %q, remote %t; want %q", bin, got, sc.IsRemote(), tt.want)
			}
		})
	}
}

func TestAppendGRPCTraceBin(t *testing.T) {
	_, sc := span(0xff)
	want, _ := hex.DecodeString("00" + binID + binSpan + binFlags)
	if got := propagation.AppendGRPCTraceBin([]byte("x"), sc); !bytes.Equal(got, append([]byte("x"), want...)) {
		t.Errorf("AppendGRPCTraceBin = %x, want %x", got, want)
	}
}

// padded is what a Linkerd proxy understands.
const padded = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE="

func TestGRPCTraceBinInCarriers(t *testing.T) {
	raw, _ := hex.DecodeString("00" + binID + binSpan + binFlags)
	for _, tt := range []struct {
		rule string
		from otelpropagation.TextMapCarrier
		want bool
	}{
		{"a header with padding", http1("Grpc-Trace-Bin", padded), true},
		{"a header without padding, as grpc-go sends it", http1("Grpc-Trace-Bin", padded[:39]), true},
		{"metadata, which grpc-go has decoded", metadata{"grpc-trace-bin": {string(raw)}}, true},
		{"metadata that nobody has decoded", metadata{"grpc-trace-bin": {padded}}, true},
		{"base64 with bits behind the last byte", http1("Grpc-Trace-Bin", padded[:38]+"F="), false},
		{"URL-safe base64", http1("Grpc-Trace-Bin", base64.URLEncoding.EncodeToString(append(raw, 3, 0xff, 0xff))), false},
		{"two values joined by a comma", http1("Grpc-Trace-Bin", padded+","+padded), false},
		{"a line break within", http1("Grpc-Trace-Bin", padded[:20]+"\r\n"+padded[20:]), false},
		{"line breaks within, as many as do not show in the length", http1("Grpc-Trace-Bin", padded[:20]+"\r\n\r\n"+padded[20:]), false},
		{"very long", http1("Grpc-Trace-Bin", strings.Repeat("A", 1<<20)), false},
		{"empty", http1("Grpc-Trace-Bin", ""), false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			sc := trace.SpanContextFromContext(propagation.GRPCTraceBin{}.Extract(context.Background(), tt.from))
			if sc.IsValid() != tt.want {
				t.Errorf("found %v, want %t", sc, tt.want)
			}
		})
	}
}

// http1 is a header with one field.
func http1(key, value string) otelpropagation.HeaderCarrier {
	return otelpropagation.HeaderCarrier(http.Header{key: {value}})
}

func TestGRPCTraceBinIsWrittenAsItsCarrierWants(t *testing.T) {
	ctx, sc := span(trace.FlagsSampled)
	for name, tt := range map[string]struct {
		into otelpropagation.TextMapCarrier
		want string
	}{
		"http.Header": {otelpropagation.HeaderCarrier{}, padded},
		"map":         {otelpropagation.MapCarrier{}, padded},
		"environ":     {&propagation.Environ{}, padded},
		"metadata":    {metadata{}, string(propagation.AppendGRPCTraceBin(nil, sc))},
	} {
		t.Run(name, func(t *testing.T) {
			propagation.GRPCTraceBin{}.Inject(ctx, tt.into)
			if got := tt.into.Get("grpc-trace-bin"); got != tt.want {
				t.Errorf("wrote %q, want %q", got, tt.want)
			}
		})
	}
}
