package exporter

// Apache Thrift's binary protocol, appended.
//
// Spec: Thrift Binary protocol encoding, https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md

import (
	"encoding/binary"
	"math"
)

// The types that Jaeger's structs use, as they stand in a field's header.
const (
	thriftBool   = 2
	thriftDouble = 4
	thriftI32    = 8
	thriftI64    = 10
	thriftString = 11 // also binary
	thriftStruct = 12
	thriftList   = 15
	thriftStop   = 0
)

func appendThriftField(dst []byte, kind byte, id uint16) []byte {
	return append(dst, kind, byte(id>>8), byte(id))
}

func appendThriftBool(dst []byte, id uint16, v bool) []byte {
	dst = appendThriftField(dst, thriftBool, id)
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendThriftI32(dst []byte, id uint16, v int32) []byte {
	return binary.BigEndian.AppendUint32(appendThriftField(dst, thriftI32, id), uint32(v))
}

func appendThriftI64(dst []byte, id uint16, v int64) []byte {
	return binary.BigEndian.AppendUint64(appendThriftField(dst, thriftI64, id), uint64(v))
}

func appendThriftDouble(dst []byte, id uint16, v float64) []byte {
	return binary.BigEndian.AppendUint64(appendThriftField(dst, thriftDouble, id), math.Float64bits(v))
}

func appendThriftString[T ~string | ~[]byte](dst []byte, id uint16, v T) []byte {
	dst = appendThriftField(dst, thriftString, id)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
	return append(dst, v...)
}

// openThriftList begins a list of structs whose number is not known yet, and returns where the
// elements begin, for closeThriftList.
func openThriftList(dst []byte, id uint16) ([]byte, int) {
	dst = append(appendThriftField(dst, thriftList, id), thriftStruct, 0, 0, 0, 0)
	return dst, len(dst)
}

func closeThriftList(dst []byte, start, elements int) {
	binary.BigEndian.PutUint32(dst[start-4:], uint32(elements))
}
