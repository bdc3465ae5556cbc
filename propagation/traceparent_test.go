package propagation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

const (
	tid = "4bf92f3577b34da6a3ce929d0e0e4736"
	sid = "00f067aa0ba902b7"

	traceparent = "00-" + tid + "-" + sid + "-01"
)

var traceparentTests = []struct {
	rule string // in the words of the specification
	in   string
	want string // as AppendTraceparent writes it
	err  error
}{
	{"valid traceparent when caller sampled this request", traceparent, traceparent, nil},
	{"valid traceparent when caller did not sample this request", "00-" + tid + "-" + sid + "-00", "00-" + tid + "-" + sid + "-00", nil},
	{"the random flag is carried", "00-" + tid + "-" + sid + "-03", "00-" + tid + "-" + sid + "-03", nil},
	{"unknown flags are dropped", "00-" + tid + "-" + sid + "-09", traceparent, nil},
	{"all flags set", "00-" + tid + "-" + sid + "-ff", "00-" + tid + "-" + sid + "-03", nil},
	{"flags must be hex", "00-" + tid + "-" + sid + "-0x", "", propagation.ErrSyntax},
	{"flags must be hex in the first digit", "00-" + tid + "-" + sid + "-.0", "", propagation.ErrSyntax},
	{"flags must be hex in the second digit", "00-" + tid + "-" + sid + "-0.", "", propagation.ErrSyntax},
	{"flags must be lower case", "00-" + tid + "-" + sid + "-0A", "", propagation.ErrSyntax},
	{"random alone", "00-" + tid + "-" + sid + "-02", "00-" + tid + "-" + sid + "-02", nil},
	{"flags are two digits, not one", "00-" + tid + "-" + sid + "-1", "", propagation.ErrSyntax},
	{"flags are two digits, not three", "00-" + tid + "-" + sid + "-001", "", propagation.ErrSyntax},
	{"flags must not be empty", "00-" + tid + "-" + sid + "-", "", propagation.ErrSyntax},
	{"flags must be there", "00-" + tid + "-" + sid, "", propagation.ErrSyntax},

	{"version ff is forbidden", "ff-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version must be two digits, not one", "0-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version must be two digits, not three", "000-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version must be hex", ".0-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version must be hex in both digits", "0.-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version must be lower case", "CC-" + tid + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"version 00 may not go on", traceparent + ".", "", propagation.ErrSyntax},
	{"version 00 may not append", traceparent + "-x", "", propagation.ErrSyntax},
	{"version 00 may not end in a dash", traceparent + "-", "", propagation.ErrSyntax},
	{"version fe is the last", "fe-" + tid + "-" + sid + "-00", "00-" + tid + "-" + sid + "-00", nil},
	{"a later version is as long at the least", "cc-" + tid + "-" + sid + "-0", "", propagation.ErrSyntax},
	{"a later version is downgraded to 00", "cc-" + tid + "-" + sid + "-01", traceparent, nil},
	{"a later version may append", "cc-" + tid + "-" + sid + "-01-what-the-future-will-be-like", traceparent, nil},
	{"a later version may append only after a dash", "cc-" + tid + "-" + sid + "-01.x", "", propagation.ErrSyntax},
	{"of a later version only the sampled flag is read", "01-" + tid + "-" + sid + "-03", traceparent, nil},

	{"trace-id all zeroes forbidden", "00-00000000000000000000000000000000-" + sid + "-01", "", propagation.ErrZeroID},
	{"trace-id must be hex", "00-." + tid[1:] + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"trace-id must be hex to the last digit", "00-" + tid[1:] + ".-" + sid + "-01", "", propagation.ErrSyntax},
	{"trace-id of the highest digits", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01", nil},
	{"trace-id of one digit but zeroes", "00-80000000000000000000000000000000-" + sid + "-01", "00-80000000000000000000000000000000-" + sid + "-01", nil},
	{"trace-id of one digit but zeroes, the last", "00-00000000000000000000000000000001-" + sid + "-01", "00-00000000000000000000000000000001-" + sid + "-01", nil},
	{"trace-id must be lower case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + sid + "-01", "", propagation.ErrSyntax},
	{"trace-id too long", "00-" + tid + "0-" + sid + "-01", "", propagation.ErrSyntax},
	{"trace-id too short", "00-" + tid[1:] + "-" + sid + "-01", "", propagation.ErrSyntax},
	{"parent-id all zeroes forbidden", "00-" + tid + "-0000000000000000-01", "", propagation.ErrZeroID},
	{"parent-id must be hex", "00-" + tid + "-." + sid[1:] + "-01", "", propagation.ErrSyntax},
	{"parent-id must be hex to the last digit", "00-" + tid + "-" + sid[1:] + ".-01", "", propagation.ErrSyntax},
	{"parent-id must be lower case", "00-" + tid + "-00F067AA0BA902B7-01", "", propagation.ErrSyntax},
	{"parent-id too long", "00-" + tid + "-" + sid + "0-01", "", propagation.ErrSyntax},
	{"parent-id too short", "00-" + tid + "-" + sid[1:] + "-01", "", propagation.ErrSyntax},

	{"white space is trimmed by the HTTP parser, not here", " " + traceparent, "", propagation.ErrSyntax},
	{"headers joined by a comma are several", traceparent + "," + traceparent, "", propagation.ErrSyntax},
	{"fields are delimited by dashes", "00_" + tid + "_" + sid + "_01", "", propagation.ErrSyntax},
	{"fields are delimited", "00" + tid + sid + "01", "", propagation.ErrSyntax},
	{"empty", "", "", propagation.ErrSyntax},
}

func TestParseTraceparent(t *testing.T) {
	for _, tt := range traceparentTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, err := propagation.ParseTraceparent(tt.in)
			if err != tt.err {
				t.Fatalf("ParseTraceparent(%q): error %v, want %v", tt.in, err, tt.err)
			}
			if err != nil {
				return
			}
			if got := string(propagation.AppendTraceparent(nil, sc)); got != tt.want {
				t.Errorf("ParseTraceparent(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if !sc.IsValid() || !sc.IsRemote() {
				t.Errorf("ParseTraceparent(%q): valid %t, remote %t; want both", tt.in, sc.IsValid(), sc.IsRemote())
			}
		})
	}
}

// The middlewares read the usual request at fixed places.
func TestUsualTraceparentIsParsedTheSame(t *testing.T) {
	order := alone(propagation.TraceContext{}).(seam.HeaderExtractor)
	for _, tt := range traceparentTests {
		t.Run(tt.rule, func(t *testing.T) {
			want, _ := propagation.ParseTraceparent(tt.in)
			if got, plain := order.ExtractHeader(http.Header{"Traceparent": {tt.in}}); !got.Equal(want) || !plain {
				t.Errorf("ExtractHeader of %q found %v, plain %t; want %v", tt.in, got, plain, want)
			}
		})
	}
}

func TestSeveralTraceparentsAreNone(t *testing.T) {
	for _, values := range [][]string{{traceparent, traceparent}, {traceparent, ""}, {}, nil} {
		order := alone(propagation.TraceContext{}).(seam.HeaderExtractor)
		if sc, plain := order.ExtractHeader(http.Header{"Traceparent": values}); sc.IsValid() || !plain {
			t.Errorf("ExtractHeader of %q found %v, plain %t", values, sc, plain)
		}
	}
}

// Digits are decoded eight at a time: each byte at each place must be told from its neighbours.
func TestEveryByteAtEveryPlace(t *testing.T) {
	usual := alone(propagation.TraceContext{}).(seam.HeaderExtractor)
	for c := range 256 {
		digit := strings.IndexByte("0123456789abcdef", byte(c)) >= 0
		for i := range len("00-" + tid + "-" + sid) {
			if traceparent[i] == '-' || i < 2 {
				continue
			}
			in := []byte(traceparent)
			in[i] = byte(c)
			sc, err := propagation.ParseTraceparent(string(in))
			if (err == nil) != digit {
				t.Fatalf("ParseTraceparent(%q): error %v", in, err)
			}
			if got, _ := usual.ExtractHeader(http.Header{"Traceparent": {string(in)}}); !got.Equal(sc) {
				t.Fatalf("ExtractHeader of %q found %v, want %v", in, got, sc)
			}
			if out := propagation.AppendTraceparent(nil, sc); digit && string(out) != string(in) {
				t.Fatalf("ParseTraceparent(%q) = %q", in, out)
			}
			upper := "0123456789abcdefABCDEF"
			single := "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"
			if single[i%len(single)] == '-' || i >= len(single)-1 {
				continue
			}
			in = []byte(single)
			in[i] = byte(c)
			if _, _, err := propagation.ParseB3Single(string(in)); (err == nil) != (strings.IndexByte(upper, byte(c)) >= 0) {
				t.Fatalf("ParseB3Single(%q): error %v", in, err)
			}
		}
	}
}
