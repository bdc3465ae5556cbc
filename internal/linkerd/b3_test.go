package linkerd_test

import (
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

var b3Tests = []headerTest{
	{rule: "B3, sampled 1: only x-b3-spanid changes",
		in:  append(b3(tid, sid, "1"), "X-B3-Parentspanid: "+tid[:16], "X-B3-Flags: 0"),
		out: append(b3(tid, "?", "1"), "X-B3-Parentspanid: "+tid[:16], "X-B3-Flags: 0"), span: sampled},
	{rule: "B3, sampled absent", in: b3(tid, sid, "")[:2], out: b3(tid, "?", "")[:2]},
	{rule: "B3, sampled true", in: b3(tid, sid, "true"), out: b3(tid, "?", "true")},
	{rule: "B3, sampled d", in: b3(tid, sid, "d"), out: b3(tid, "?", "d")},
	{rule: "B3, sampled 0", in: b3(tid, sid, "0"), out: b3(tid, "?", "0")},
	{rule: "B3, flags 1 only", in: append(b3(tid, sid, "")[:2], "X-B3-Flags: 1"), out: append(b3(tid, "?", "")[:2], "X-B3-Flags: 1")},
	{rule: "B3, a trace ID of 64 bits stays short", in: b3(tid[16:], sid, "1"), out: b3(tid[16:], "?", "1"), span: zeroSID + tid[16:] + " " + sid},
	{rule: "B3, upper case stays", in: b3(tidUpper, sidUpper, "1"), out: b3(tidUpper, "?", "1"), span: sampled},
	{rule: "B3, empty IDs are zero", in: b3("", "", "1"), out: b3("", "?", "1"), span: zeroTID + " " + zeroSID},
	{rule: "B3, zero IDs are accepted", in: b3(zeroTID, zeroSID, "1"), out: b3(zeroTID, "?", "1"), span: zeroTID + " " + zeroSID},
	{rule: "B3, an odd number of digits", in: b3(tid[1:], sid, "1")},
	{rule: "B3, a span ID that is not hex", in: b3(tid, "span", "1")},
	{rule: "B3, the trace ID alone", in: []string{"X-B3-Traceid: " + tid, "X-B3-Sampled: 1"}},
	{rule: "B3, the span ID alone", in: []string{"X-B3-Spanid: " + sid, "X-B3-Sampled: 1"}},
}

func TestB3(t *testing.T) { testHeaders(t, linkerd.Modern, b3Tests) }
