package linkerd_test

import (
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

// unpadded is what grpc-go sends, beside another trace in B3.
var unpadded = append(grpcBin(binUnpadded), b3("abcd", "12", "1")...)

func TestModern(t *testing.T) {
	testHeaders(t, linkerd.Modern, []headerTest{{
		rule: "grpc-trace-bin without padding, as grpc-go writes it, is ignored and B3 used",
		in:   unpadded,
		out:  append(grpcBin(binUnpadded), b3("abcd", "?", "1")...),
		span: "0000000000000000000000000000abcd 0000000000000012",
	}})
}

func TestPre2320(t *testing.T) {
	testHeaders(t, linkerd.Pre2320, []headerTest{
		{
			rule: "grpc-trace-bin without padding is read, and padded",
			in:   unpadded,
			out:  append(grpcBin(binOut), b3("abcd", "12", "1")...),
			span: sampled,
		},
		w3cTests[0], grpcTests[0], b3Tests[0],
	})
}

func TestW3CSibling(t *testing.T) {
	sibling := w3cTests[0]
	sibling.rule, sibling.out = "the caller's span ID goes on", sibling.in
	testHeaders(t, linkerd.W3CSibling, []headerTest{sibling, grpcTests[0], b3Tests[0]})
}

func TestB3Only(t *testing.T) {
	ignored := headerTest{rule: "traceparent is not known", in: traceparent("00-" + tid + "-" + sid + "-01")}
	both := headerTest{rule: "B3 beside traceparent", in: append(ignored.in, b3(tid, sid, "1")...), out: append(ignored.in, b3(tid, "?", "1")...), span: sampled}
	testHeaders(t, linkerd.B3Only, []headerTest{ignored, both, grpcTests[0], b3Tests[0]})
}

func TestOff(t *testing.T) {
	var tests []headerTest
	for _, tt := range []headerTest{w3cTests[0], grpcTests[0], b3Tests[0]} {
		tests = append(tests, headerTest{rule: tt.rule, in: tt.in})
	}
	testHeaders(t, linkerd.Off, tests)
}

func TestModeString(t *testing.T) {
	for mode, want := range map[linkerd.Mode]string{
		linkerd.Modern: "modern", linkerd.Pre2320: "pre-2.320", linkerd.W3CSibling: "w3c-sibling",
		linkerd.B3Only: "b3-only", linkerd.Off: "off", 77: "Mode(77)",
	} {
		if got := mode.String(); got != want {
			t.Errorf("Mode %d is %q, want %q", mode, got, want)
		}
	}
}
