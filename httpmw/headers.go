package httpmw

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/meshtrace/meshtrace/internal/capture"
	"github.com/meshtrace/meshtrace/internal/credential"
)

// Capture says which headers are recorded as attributes.
type Capture struct {
	Request, Response Headers
}

// Headers is a list of header names, made by [NewHeaders]. The zero value is an empty one.
type Headers struct{ list capture.List }

// NewHeaders returns a list of headers, whose names may be in any case. The error joins all names
// that are refused: those that no header can have, and those of headers that hold credentials.
// Their values must not get where spans go, and there is no way to have them recorded.
func NewHeaders(names ...string) (Headers, error) {
	var h Headers
	var errs []error
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case !isToken(name):
			errs = append(errs, fmt.Errorf("httpmw: header %q: want letters, digits and dashes", cut(name)))
		case credential.IsName(lower):
			errs = append(errs, fmt.Errorf("httpmw: header %q: it holds credentials", cut(name)))
		default:
			h.list.Add(http.CanonicalHeaderKey(name), requestHeader(lower), responseHeader(lower))
		}
	}
	return h, errors.Join(errs...)
}

// isToken reports whether name can be a header's.
//
// Spec: RFC 9110, section 5.6.2, https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// cut shortens what an error quotes.
func cut(text string) string {
	const maxBytes = 64
	return text[:min(len(text), maxBytes)]
}
