package exporter

// Which headers of the settings gRPC can carry, as metadata.

import "strings"

// validMetadataKey reports whether key may be set: gRPC has fewer signs than HTTP, and keeps some
// names for itself.
//
// Spec: gRPC over HTTP2, Custom-Metadata, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
func validMetadataKey(key string) bool {
	key = strings.ToLower(key)
	for _, c := range []byte(key) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return key != "" && !strings.HasPrefix(key, "grpc-")
}

// validMetadataValue reports whether value may be sent: printable ASCII, or anything under a key
// that ends in -bin, which goes in base64.
func validMetadataValue(key, value string) bool {
	if strings.HasSuffix(strings.ToLower(key), "-bin") {
		return true
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
