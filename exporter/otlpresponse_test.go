package exporter_test

import (
	"math"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/meshtrace/meshtrace/exporter"
)

// answerOTLP is what an OTLP server answers that has rejected spans.
func answerOTLP(rejected int64, message string) []byte {
	b, err := proto.Marshal(&coltrace.ExportTraceServiceResponse{
		PartialSuccess: &coltrace.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: message},
	})
	if err != nil {
		panic(err)
	}
	return b
}

var partialSuccessTests = []struct {
	rule     string
	response []byte
	rejected int
	message  string
}{
	{"nothing rejected is nothing said", nil, 0, ""},
	{"spans and why", answerOTLP(3, "too old"), 3, "too old"},
	{"a warning rejects no span", answerOTLP(0, "deprecated"), 0, "deprecated"},
	{"less than none is none", answerOTLP(-1, ""), 0, ""},
	{"more than can be is as many as can be", answerOTLP(math.MaxInt64, ""), math.MaxInt32, ""},
	{"messages that stand twice are merged", append(answerOTLP(3, "first"), answerOTLP(0, "second")...), 3, "second"},
	{"unknown fields are skipped", append([]byte{0x78, 1, 0x7a, 1, 0}, answerOTLP(3, "")...), 3, ""},
	{"what is no protobuf says nothing", []byte("<html>"), 0, ""},
	{"what breaks off says what came before", append(answerOTLP(3, ""), 0x0a, 0x7f), 3, ""},
}

func TestParsePartialSuccess(t *testing.T) {
	for _, tt := range partialSuccessTests {
		t.Run(tt.rule, func(t *testing.T) {
			rejected, message := exporter.ParsePartialSuccess(tt.response)
			if rejected != tt.rejected || message != tt.message {
				t.Errorf("%d, %q; want %d, %q", rejected, message, tt.rejected, tt.message)
			}
		})
	}
}

func FuzzParsePartialSuccess(f *testing.F) {
	for _, tt := range partialSuccessTests {
		f.Add(tt.response)
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		rejected, message := exporter.ParsePartialSuccess(response)
		var want coltrace.ExportTraceServiceResponse
		if proto.Unmarshal(response, &want) != nil {
			return // we read what we can of it
		}
		partial := want.GetPartialSuccess()
		if wantRejected := min(max(partial.GetRejectedSpans(), 0), math.MaxInt32); int64(rejected) != wantRejected || message != partial.GetErrorMessage() {
			t.Errorf("%d, %q; want %v", rejected, message, partial)
		}
	})
}
