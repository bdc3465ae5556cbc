package linkerd_test

import (
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/linkerd"
)

var grpcTests = []headerTest{
	{rule: "grpc-trace-bin padded", in: grpcBin(binPadded), out: grpcBin(binOut), span: sampled},
	{rule: "any version, and version 0 goes out", in: grpcBin(bin("07 00" + tid + " 01" + sid + " 0201")), out: grpcBin(binOut), span: sampled},
	{rule: "fields in any order", in: grpcBin(bin("00 0201 01" + sid + " 00" + tid)), out: grpcBin(binOut), span: sampled},
	{rule: "the last of a repeated field", in: grpcBin(bin("00 00" + zeroTID + " 00" + tid + " 01" + sid + " 0201")), out: grpcBin(binOut), span: sampled},
	{rule: "an unknown field ends it and keeps the rest", in: grpcBin(bin("00 00" + tid + " 01" + sid + " 0201 09ffff")), out: grpcBin(binOut), span: sampled},
	{rule: "flags are kept as they are", in: grpcBin(bin("00 00" + tid + " 01" + sid + " 02fe")), out: grpcBin("00 00" + tid + " 01? 02fe")},
	{rule: "zero IDs are accepted", in: grpcBin(bin("00 00" + zeroTID + " 01" + zeroSID + " 0201")), out: grpcBin("00 00" + zeroTID + " 01? 0201"), span: zeroTID + " " + zeroSID},
	{rule: "AA==: the version alone is a context, and goes out malformed", in: grpcBin("AA=="), out: grpcBin("00 00 01? 0200")},
	{rule: "AAIB: sampled without IDs, so its span is lost", in: grpcBin("AAIB"), out: grpcBin("00 00 01? 0201")},
	{rule: "AA== wins over B3 in the first layer; the second does not understand what the first wrote, and uses B3",
		in: append(grpcBin("AA=="), b3(tid, sid, "1")...), out: append(grpcBin("00 00 01? 0200"), b3(tid, "?", "1")...), clientOnly: true},
	{rule: "an empty payload", in: grpcBin("")},
	{rule: "a truncated field", in: grpcBin(bin("00 00" + tid[:30]))},
	{rule: "a field without its value", in: grpcBin(bin("00 00" + tid + " 02"))},
	{rule: "the URL alphabet", in: grpcBin(strings.ReplaceAll(binPadded, "+", "-"))},
	{rule: "trailing bits that are not zero", in: grpcBin(binUnpadded[:38] + "F=")},
	{rule: "two values joined by a comma", in: grpcBin(binPadded + "," + binPadded)},
}

func TestGRPCTraceBin(t *testing.T) { testHeaders(t, linkerd.Modern, grpcTests) }
