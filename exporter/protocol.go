package exporter

// What a wire format has to do, and what a call that carries it to a server.

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
)

// A protocol writes spans in one wire format. Its methods are safe for concurrent use.
type protocol interface {
	// contentType of a body that is posted as it is.
	contentType() string

	// appendSpan appends the encoding of one span, such that encoded spans can stand one
	// behind the other in a batch.
	appendSpan(dst []byte, r *sdkseam.Record) []byte

	// appendPieces appends what makes the body of a request, one piece behind the other: what
	// the spans have in common, and the spans, which stay where they are.
	appendPieces(dst [][]byte, b *batch) [][]byte

	// rejected returns how many spans a server that has accepted the request did not want, by
	// its answer, and why.
	rejected(answer []byte) (spans int, message string)
}

// A call is how the body of a protocol goes to a server in a POST, and what the response means.
// Its methods are safe for concurrent use.
type call interface {
	// protocols returns the versions of HTTP that it needs for a scheme, or nil for any.
	protocols(scheme string) *http.Protocols

	// complete sets the headers that are the call's own, over those of the settings.
	complete(h http.Header, cfg Config, p protocol)

	// fill makes b the request for a batch, and returns that in pieces.
	fill(b *body, p protocol, of *batch, packed bool) [][]byte

	// read returns what a response says. The error is that it broke off before it said anything.
	read(resp *http.Response, p protocol) (delivery, error)
}

// text returns s as valid UTF-8. One span with a byte from a hostile URL in an attribute would make
// the server refuse the whole batch.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// isASCII reports whether s is ASCII, which is valid UTF-8. It looks at eight bytes at once, the last
// of them twice if need be.
func isASCII(s string) bool {
	const high = 0x8080808080808080 // the bits that ASCII has not
	if len(s) < 8 {
		var all byte
		for i := range len(s) {
			all |= s[i]
		}
		return all < utf8.RuneSelf
	}
	all := word(s[len(s)-8:])
	for ; len(s) > 8; s = s[8:] {
		all |= word(s)
	}
	return all&high == 0
}

// word returns the first eight bytes of s.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
