package exporter_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meshtrace/meshtrace/exporter"
)

// statusDetails returns a google.rpc.Status with a RetryInfo behind another detail.
func statusDetails(d time.Duration) []byte {
	return marshalDetails(&errdetails.DebugInfo{Detail: "…"}, &errdetails.RetryInfo{RetryDelay: durationpb.New(d)})
}

func marshalDetails(details ...proto.Message) []byte {
	s := &spb.Status{Code: 14, Message: "later"}
	for _, detail := range details {
		a, err := anypb.New(detail)
		if err != nil {
			panic(err)
		}
		s.Details = append(s.Details, a)
	}
	b, err := proto.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

func delay(seconds int64, nanos int32) []byte {
	return marshalDetails(&errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: seconds, Nanos: nanos}})
}

var retryInfoTests = []struct {
	rule    string
	details []byte
	wait    time.Duration
	ok      bool
}{
	{"nothing", nil, 0, false},
	{"a delay", delay(1, 5e8), 1500 * time.Millisecond, true},
	{"behind another detail", statusDetails(time.Second), time.Second, true},
	{"no details", marshalDetails(), 0, false},
	{"another detail", marshalDetails(&errdetails.DebugInfo{Detail: "x"}), 0, false},
	{"no delay", marshalDetails(&errdetails.RetryInfo{}), 0, true},
	{"a delay of nothing", delay(0, 0), 0, true},
	{"a delay into the past", delay(-5, -1), 0, true},
	{"a day is five minutes", delay(86400, 0), 5 * time.Minute, true},
	{"for ever is five minutes", delay(math.MaxInt64, math.MaxInt32), 5 * time.Minute, true},
	{"long past is no time", delay(math.MinInt64, math.MinInt32), 0, true},
	{"what breaks off says what came before", append(delay(1, 0), 0x1a, 0x7f), time.Second, true},
	{"no protobuf", []byte("<html>"), 0, false},
}

func TestParseRetryInfo(t *testing.T) {
	for _, tt := range retryInfoTests {
		for name, encoding := range map[string]*base64.Encoding{"padded": base64.StdEncoding, "unpadded": base64.RawStdEncoding} {
			t.Run(tt.rule+", "+name, func(t *testing.T) {
				wait, ok := exporter.ParseRetryInfo(encoding.EncodeToString(tt.details))
				if wait != tt.wait || ok != tt.ok {
					t.Errorf("%v, %t; want %v, %t", wait, ok, tt.wait, tt.ok)
				}
			})
		}
	}
	for rule, value := range map[string]string{
		"no base64":      "%%%",
		"a list":         retryInfo(time.Second) + "," + retryInfo(time.Second),
		"beyond a bound": retryInfo(time.Second) + strings.Repeat("A", 1<<20),
	} {
		t.Run(rule, func(t *testing.T) {
			if wait, ok := exporter.ParseRetryInfo(value); wait != 0 || ok {
				t.Errorf("%v, %t", wait, ok)
			}
		})
	}
}

func FuzzParseRetryInfo(f *testing.F) {
	for _, tt := range retryInfoTests {
		f.Add(tt.details)
	}
	f.Fuzz(func(t *testing.T, details []byte) {
		wait, ok := exporter.ParseRetryInfo(base64.StdEncoding.EncodeToString(details))
		if wait < 0 || wait > 5*time.Minute || wait > 0 && !ok {
			t.Errorf("%v, %t", wait, ok)
		}
		var status spb.Status
		if proto.Unmarshal(details, &status) != nil {
			return // we read what we can of it
		}
		for _, a := range status.Details {
			if name := a.MessageName(); name == "google.rpc.RetryInfo" && !ok {
				t.Errorf("a RetryInfo was not seen in %v", &status)
			}
		}
	})
}
