package jaegertest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// A Span is a span as Jaeger holds it. IDs are in lower-case hexadecimal digits.
type Span struct {
	TraceID       string
	ID            string
	ParentID      string // empty for a root
	TraceState    string
	Flags         uint32
	Name          string
	Kind          trace.SpanKind
	Start, End    time.Time
	Status        Status
	Attrs         Attrs
	Events        []Event
	Links         []Link
	DroppedAttrs  uint32
	DroppedEvents uint32
	DroppedLinks  uint32

	Scope    Scope
	Resource Attrs
}

// Service returns the name of the service that made the span.
func (s Span) Service() string {
	name, _ := s.Resource["service.name"].(string)
	return name
}

// Status is how a span ended. Code is "unset", "ok" or "error".
type Status struct {
	Code, Message string
}

// Scope is the library that made a span. Jaeger's own protocols do not have it: what comes over
// one keeps it as attributes of the span.
type Scope struct {
	Name, Version string
	Attrs         Attrs
}

// An Event is something that happened during a span.
type Event struct {
	Name         string
	Time         time.Time
	Attrs        Attrs
	DroppedAttrs uint32
}

// A Link is another span that a span names.
type Link struct {
	TraceID, SpanID string
	TraceState      string
	Flags           uint32
	Attrs           Attrs
	DroppedAttrs    uint32
}

// Attrs are attributes by key. A value is a string, int64, float64, bool, []byte, []any or
// Attrs, or nil. No attributes are a nil map.
type Attrs map[string]any

// UnmarshalJSON reads OTLP's list of keys and values. A key that is there twice is an error.
func (a *Attrs) UnmarshalJSON(text []byte) error {
	var list []struct {
		Key   string
		Value value
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if len(list) > 0 {
		*a = make(Attrs, len(list))
	}
	for _, kv := range list {
		if _, twice := (*a)[kv.Key]; twice {
			return fmt.Errorf("jaegertest: attribute %q twice", kv.Key)
		}
		(*a)[kv.Key] = kv.Value.any
	}
	return nil
}

// A value is an attribute's value, with its type.
type value struct{ any }

// UnmarshalJSON reads OTLP's AnyValue.
func (v *value) UnmarshalJSON(text []byte) error {
	var wire struct {
		StringValue *string
		IntValue    *int64 `json:",string"`
		DoubleValue *float64
		BoolValue   *bool
		BytesValue  *[]byte
		ArrayValue  *struct{ Values []value }
		KvlistValue *struct{ Values Attrs }
	}
	if err := json.Unmarshal(text, &wire); err != nil {
		return err
	}
	switch {
	case wire.StringValue != nil:
		v.any = *wire.StringValue
	case wire.IntValue != nil:
		v.any = *wire.IntValue
	case wire.DoubleValue != nil:
		v.any = *wire.DoubleValue
	case wire.BoolValue != nil:
		v.any = *wire.BoolValue
	case wire.BytesValue != nil:
		v.any = *wire.BytesValue
	case wire.ArrayValue != nil:
		list := []any{}
		for _, element := range wire.ArrayValue.Values {
			list = append(list, element.any)
		}
		v.any = list
	case wire.KvlistValue != nil:
		v.any = wire.KvlistValue.Values
	}
	return nil
}

// parseSpans reads OTLP's TracesData in its JSON encoding.
//
// Spec: OTLP 1.9, JSON Protobuf Encoding, https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func parseSpans(text []byte) ([]Span, error) {
	var wire struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes Attrs }
			ScopeSpans []struct {
				Scope struct {
					Name, Version string
					Attributes    Attrs
				}
				Spans []wireSpan
			}
		}
	}
	if err := json.Unmarshal(text, &wire); err != nil {
		return nil, fmt.Errorf("jaegertest: traces %.64q: %w", text, err)
	}
	var spans []Span
	for _, ofResource := range wire.ResourceSpans {
		for _, ofScope := range ofResource.ScopeSpans {
			for _, w := range ofScope.Spans {
				s := w.span()
				s.Resource = ofResource.Resource.Attributes
				s.Scope = Scope{Name: ofScope.Scope.Name, Version: ofScope.Scope.Version, Attrs: ofScope.Scope.Attributes}
				spans = append(spans, s)
			}
		}
	}
	return spans, nil
}

// A wireSpan is OTLP's Span in its JSON encoding. What is missing is zero.
type wireSpan struct {
	TraceID                string
	SpanID                 string
	ParentSpanID           string
	TraceState             string
	Flags                  uint32
	Name                   string
	Kind                   trace.SpanKind // numbered as OpenTelemetry's API numbers them
	StartTimeUnixNano      unixNano
	EndTimeUnixNano        unixNano
	Attributes             Attrs
	DroppedAttributesCount uint32
	Events                 []struct {
		Name                   string
		TimeUnixNano           unixNano
		Attributes             Attrs
		DroppedAttributesCount uint32
	}
	DroppedEventsCount uint32
	Links              []struct {
		TraceID, SpanID        string
		TraceState             string
		Flags                  uint32
		Attributes             Attrs
		DroppedAttributesCount uint32
	}
	DroppedLinksCount uint32
	Status            struct {
		Code    statusCode
		Message string
	}
}

// span returns w without its resource and scope.
func (w wireSpan) span() Span {
	s := Span{
		TraceID:       w.TraceID,
		ID:            w.SpanID,
		ParentID:      w.ParentSpanID,
		TraceState:    w.TraceState,
		Flags:         w.Flags,
		Name:          w.Name,
		Kind:          w.Kind,
		Start:         w.StartTimeUnixNano.time(),
		End:           w.EndTimeUnixNano.time(),
		Status:        Status{Code: w.Status.Code.String(), Message: w.Status.Message},
		Attrs:         w.Attributes,
		DroppedAttrs:  w.DroppedAttributesCount,
		DroppedEvents: w.DroppedEventsCount,
		DroppedLinks:  w.DroppedLinksCount,
	}
	for _, e := range w.Events {
		s.Events = append(s.Events, Event{e.Name, e.TimeUnixNano.time(), e.Attributes, e.DroppedAttributesCount})
	}
	for _, l := range w.Links {
		s.Links = append(s.Links, Link{l.TraceID, l.SpanID, l.TraceState, l.Flags, l.Attributes, l.DroppedAttributesCount})
	}
	return s
}

// unixNano is nanoseconds since 1970, written as a string.
type unixNano int64

func (ns *unixNano) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*ns = unixNano(n)
	return err
}

func (ns unixNano) time() time.Time { return time.Unix(0, int64(ns)).UTC() }

// statusCode is OTLP's number of a status.
type statusCode int

func (c statusCode) String() string {
	switch c {
	case 0:
		return "unset"
	case 1:
		return "ok"
	case 2:
		return "error"
	}
	return strconv.Itoa(int(c))
}
