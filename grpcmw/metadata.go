package grpcmw

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/internal/capture"
	"github.com/meshtrace/meshtrace/internal/credential"
	"github.com/meshtrace/meshtrace/internal/global"
)

// Capture says which metadata is recorded as attributes. Response is what the headers and the
// trailers of a response have.
type Capture struct {
	Request, Response Metadata
}

// Metadata is a list of metadata keys, made by [NewMetadata]. The zero value is an empty one.
type Metadata struct{ list capture.List }

// NewMetadata returns a list of metadata keys, which may be in any case. The error joins all that
// are refused: those that metadata cannot have, those in -bin, which are no text, and those of
// credentials. Their values must not get where spans go, and there is no way to have them recorded.
func NewMetadata(names ...string) (Metadata, error) {
	var m Metadata
	var errs []error
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case !isKey(lower):
			errs = append(errs, fmt.Errorf("grpcmw: metadata %q: want letters, digits, dashes, dots and underscores", cut(name, maxQuoted)))
		case strings.HasSuffix(lower, "-bin"):
			errs = append(errs, fmt.Errorf("grpcmw: metadata %q: it is binary", cut(name, maxQuoted)))
		case credential.IsName(lower):
			errs = append(errs, fmt.Errorf("grpcmw: metadata %q: it holds credentials", cut(name, maxQuoted)))
		default:
			m.list.Add(lower, requestMetadata(lower), responseMetadata(lower))
		}
	}
	return m, errors.Join(errs...)
}

// maxQuoted is how many bytes of a name an error quotes.
const maxQuoted = 64

// isKey reports whether name can be a metadata key's.
//
// Spec: gRPC over HTTP2, Header-Name, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
func isKey(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// setResponse sets the values that md has of the keys, as those of a response, if the span records.
func (m Metadata) setResponse(span global.Span, md metadata.MD) {
	if span.Span == nil {
		return
	}
	if attrs := m.list.AppendResponse(nil, md); len(attrs) > 0 {
		span.SetAttributes(attrs...)
	}
}
