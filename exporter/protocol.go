package exporter

// What a wire format has to do.

import (
	"encoding/binary"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// A protocol writes spans in one wire format. Its methods are safe for concurrent use.
type protocol interface {
	// contentType of a request body.
	contentType() string

	// appendSpan appends the encoding of one span, such that encoded spans can stand one
	// behind the other in a batch.
	appendSpan(dst []byte, r *sdkseam.Record) []byte

	// appendBatch appends the body of a request: what the spans have in common, and the
	// spans.
	appendBatch(dst []byte, b *batch) []byte
}

// partialSuccess returns how many spans an accepting server has rejected, and why. Only OTLP can
// say that; anything else is no protobuf.
func partialSuccess(h http.Header, answer []byte) (rejected int, message string) {
	if !strings.HasPrefix(h.Get("Content-Type"), contentTypeOTLP) {
		return 0, ""
	}
	return parsePartialSuccess(answer)
}

// text returns s as valid UTF-8. One span with a byte from a hostile URL in an attribute would make
// the server refuse the whole batch.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// isASCII reports whether b is ASCII, which is valid UTF-8.
func isASCII(b []byte) bool {
	const high = 0x8080808080808080 // the bits that ASCII has not
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
