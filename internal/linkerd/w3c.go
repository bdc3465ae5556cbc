package linkerd

import (
	"encoding/hex"
	"net/http"
	"strings"
)

const traceparentHeader = "Traceparent"

// w3c is the traceparent header; tracestate is never touched. keepID is the mistake of the first
// generation that knew it: the header went on with the caller's span ID.
type w3c struct{ keepID bool }

func (w3c) parse(h http.Header) (traceContext, bool) {
	value, ok := firstValue(h, traceparentHeader)
	if !ok {
		return traceContext{}, false
	}
	version, rest, _ := strings.Cut(value, "-")
	traceID, rest, _ := strings.Cut(rest, "-")
	parentID, flags, ok := strings.Cut(rest, "-")
	if !ok || version != "00" { // a later version is refused, not read as far as it is known
		return traceContext{}, false
	}
	var tc traceContext
	if tc.traceID, ok = parseW3CID(traceID, traceIDBytes); !ok {
		return traceContext{}, false
	}
	if tc.parentID, ok = parseW3CID(parentID, spanIDBytes); !ok {
		return traceContext{}, false
	}
	tc.flags, ok = parseW3CFlags(flags)
	return tc, ok
}

func parseW3CID(digits string, size int) ([]byte, bool) {
	if strings.Trim(digits, "0") == "" {
		return nil, false
	}
	return parseID(digits, size)
}

// parseW3CFlags decodes all that is left of the header and returns its first byte.
func parseW3CFlags(digits string) (byte, bool) {
	flags, err := hex.DecodeString(digits)
	if err != nil {
		return 0, false
	}
	if len(flags) == 0 {
		// The real proxy indexes the empty vector, and its request task dies of it.
		panic(http.ErrAbortHandler)
	}
	return flags[0], true
}

func (f w3c) rewrite(h http.Header, tc traceContext, id spanID) {
	written := id[:]
	if f.keepID {
		written = tc.parentID
	}
	h[traceparentHeader] = []string{"00-" + hex.EncodeToString(tc.traceID) + "-" +
		hex.EncodeToString(written) + "-" + hex.EncodeToString([]byte{tc.flags})}
}
