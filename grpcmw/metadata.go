package grpcmw

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/metadata"

	"github.com/meshtrace/meshtrace/internal/credential"
	"github.com/meshtrace/meshtrace/internal/global"
)

// Capture says which metadata is recorded as attributes. Response is what the headers and the
// trailers of a response have.
type Capture struct {
	Request, Response Metadata
}

// Metadata is a list of metadata keys, made by [NewMetadata]. The zero value is an empty one.
type Metadata struct{ list []captured }

// captured is a metadata key, and the attributes that hold its values.
type captured struct {
	name              string // as metadata.MD has it
	request, response attribute.Key
}

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
			m.list = append(m.list, captured{
				name:     lower,
				request:  requestMetadata(lower),
				response: responseMetadata(lower),
			})
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

// appendRequest appends the values that md has of the keys, as those of a request.
func (m Metadata) appendRequest(dst []attribute.KeyValue, md metadata.MD) []attribute.KeyValue {
	for _, c := range m.list {
		if values := md[c.name]; len(values) > 0 {
			dst = append(dst, c.request.StringSlice(values))
		}
	}
	return dst
}

// setResponse sets the values that md has of the keys, as those of a response, if the span records.
func (m Metadata) setResponse(span global.Span, md metadata.MD) {
	if span.Span == nil {
		return
	}
	for _, c := range m.list {
		if values := md[c.name]; len(values) > 0 {
			span.SetAttributes(c.response.StringSlice(values))
		}
	}
}

// empty reports whether there is nothing to record.
func (m Metadata) empty() bool { return len(m.list) == 0 }
