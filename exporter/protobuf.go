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
	dst = append(appendField(dst, field, protowire.BytesType), 0)
	return dst, len(dst)
}

// closeMessage fills in the length.
func closeMessage(dst []byte, start int) []byte {
	if n := len(dst) - start; n < 0x80 {
		dst[start-1] = byte(n)
		return dst
	}
	return closeLength(dst, start, 1)
}

// openLongMessage leaves two bytes for the length: a span's is nearly always from 128 to 16383.
func openLongMessage(dst []byte, field protowire.Number) ([]byte, int) {
	dst = append(appendField(dst, field, protowire.BytesType), 0, 0)
	return dst, len(dst)
}

// closeLongMessage fills in the length.
func closeLongMessage(dst []byte, start int) []byte { return closeLength(dst, start, 2) }

// closeLength writes the length of what is behind start into the bytes that were left before it. If
// it needs fewer or more of them, the content is moved: cheaper than to compute every length before.
func closeLength(dst []byte, start, left int) []byte {
	n := len(dst) - start
	if move := protowire.SizeVarint(uint64(n)) - left; move != 0 {
		dst = slices.Grow(dst, max(move, 0))[:len(dst)+move]
		copy(dst[start+move:], dst[start:start+n])
	}
	protowire.AppendVarint(dst[:start-left], uint64(n))
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
