package exporter

// Protobuf's wire format, appended: what protowire leaves to its caller.

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// appendField begins a field. It is protowire.AppendTag for fields below 16, whose tag is one byte,
// and is inlined.
func appendField(dst []byte, field protowire.Number, kind protowire.Type) []byte {
	return append(dst, byte(field)<<3|byte(kind))
}

// appendLength begins a field of the given length.
func appendLength(dst []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(appendField(dst, field, protowire.BytesType), uint64(n))
}

// openMessage begins a field that holds a message. It leaves one byte for the length, which most
// messages of ours need, and returns where the content begins, for closeMessage.
func openMessage(dst []byte, field protowire.Number) ([]byte, int) {
	dst = appendField(dst, field, protowire.BytesType)
	dst = append(dst, 0)
	return dst, len(dst)
}

// closeMessage fills in the length. A message of 128 bytes or more is moved to make room for it:
// cheaper than to compute every length before.
func closeMessage(dst []byte, start int) []byte {
	n := len(dst) - start
	if n < 0x80 {
		dst[start-1] = byte(n)
		return dst
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	dst = slices.Grow(dst, more)[:len(dst)+more]
	copy(dst[start+more:], dst[start:start+n])
	protowire.AppendVarint(dst[:start-1], uint64(n))
	return dst
}

func appendBytes(dst []byte, field protowire.Number, b []byte) []byte {
	return append(appendLength(dst, field, len(b)), b...)
}

// appendString writes s unless it is empty, which is what a missing field means.
func appendString(dst []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	s = text(s)
	return append(appendLength(dst, field, len(s)), s...)
}

// appendInt writes n unless it is 0, which is what a missing field means.
func appendInt(dst []byte, field protowire.Number, n int64) []byte {
	if n == 0 {
		return dst
	}
	dst = appendField(dst, field, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(n))
}

func appendFixed32(dst []byte, field protowire.Number, n uint32) []byte {
	dst = protowire.AppendTag(dst, field, protowire.Fixed32Type) // in a span it is field 16
	return protowire.AppendFixed32(dst, n)
}
