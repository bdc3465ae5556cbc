package propagation

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// What is propagated of baggage: as much as the specification wants at least, and no more, for
// every service behind us has to carry it too.
const (
	maxBaggageMembers = 64
	maxBaggageBytes   = 8192
	maxBaggageCommas  = 256 // more than the members need, for headers that are joined of empty ones
)

// Baggage is the propagator of the W3C's baggage header.
//
// All baggage headers of a request together may have 64 members and 8192 bytes. The members
// beyond are dropped, and [BaggageCut] counts the requests in which that happened; a member that
// is malformed is left out. Values are percent-decoded, and properties kept as they came. Of
// members with the same key OpenTelemetry's type holds the last.
//
// Baggage is parsed when somebody asks for it. If nobody does, it goes out as it came; otherwise
// ordered by key.
//
// Baggage goes to everybody whom this process calls. Keys says which of it may leave, and
// [Config] to whom.
//
// In Linkerd's mesh: the proxy neither reads nor writes baggage.
//
// Spec: Propagation format for distributed context: Baggage, section 3, https://www.w3.org/TR/baggage/
type Baggage struct {
	_ struct{}

	// Keys are the keys that are sent. Nil sends all; an empty slice sends none.
	Keys []string
}

var _ otelpropagation.TextMapPropagator = Baggage{}

// Extract returns ctx with the baggage that from holds, or ctx if it holds none.
func (Baggage) Extract(ctx context.Context, from otelpropagation.TextMapCarrier) context.Context {
	c := carrierOf(from)
	values := c.values(fieldBaggage)
	if len(values) == 1 {
		if ctx, ok := contextWithUnreadBaggage(ctx, values[0]); ok {
			return ctx
		}
	}
	if b := ParseBaggage(values...); b.Len() > 0 {
		return baggage.ContextWithBaggage(ctx, b)
	}
	return ctx
}

// Inject writes the baggage of ctx into the carrier. If there is none to send, a baggage header
// that is there already, as a reverse proxy copies it, is removed: it did not come through
// Extract, or may not leave. Only with neither a span in ctx nor Keys it stays: then nobody has
// looked at the request, and it passes.
func (p Baggage) Inject(ctx context.Context, into otelpropagation.TextMapCarrier) {
	if c := carrierOf(into); c.writable() {
		p.write(ctx, trace.SpanContextFromContext(ctx).IsValid(), &c)
	}
}

// Fields returns the name of the header that Inject writes.
func (p Baggage) Fields() []string { return fieldsOf(fieldBaggage).names() }

func (p *Baggage) write(ctx context.Context, inSpan bool, c *carrier) {
	if p.Keys == nil {
		if text := unreadBaggageIn(ctx); text != "" {
			c.set(fieldBaggage, text)
			return
		}
	}
	if b := baggage.FromContext(ctx); b.Len() > 0 {
		var buf [256]byte // most is shorter
		if text := AppendBaggage(buf[:0], b, p.Keys); len(text) > 0 {
			c.set(fieldBaggage, string(text))
			return
		}
	}
	if inSpan || p.Keys != nil {
		c.remove(fieldBaggage)
	}
}

// baggageCut counts for BaggageCut.
var baggageCut atomic.Uint64

// BaggageCut returns how many times since the process started baggage was longer than what is
// propagated, on the way in or out.
func BaggageCut() uint64 { return baggageCut.Load() }

// ParseBaggage parses the values of all baggage headers of a message, in their order. It looks at
// no more than 64 members and 8192 bytes, and leaves malformed members out.
//
// Spec: Propagation format for distributed context: Baggage, section 3.3, https://www.w3.org/TR/baggage/#header-content
func ParseBaggage(values ...string) baggage.Baggage {
	if len(values) == 0 {
		return baggage.Baggage{}
	}
	text, cut := boundedBaggage(values)
	if cut {
		baggageCut.Add(1)
	}
	// The error says which members were left out, in their own words: nobody wants to read
	// those in a log.
	b, _ := baggage.Parse(text)
	return b
}

// boundedBaggage joins the members of the values that are within the limits.
func boundedBaggage(values []string) (text string, cut bool) {
	var members [maxBaggageMembers]string
	n, commas, room := 0, 0, maxBaggageBytes+len(",")
	for _, value := range values {
		value = value[:min(len(value), room+1)] // enough to see that it is too long
		for more := true; more; {
			var member string
			member, value, more = strings.Cut(value, ",")
			blank := strings.Trim(member, " \t") == ""
			room -= len(member) + len(",")
			commas++
			if room < 0 || commas > maxBaggageCommas || n == len(members) && !blank {
				return strings.Join(members[:n], ","), true
			}
			if !blank {
				members[n] = member
				n++
			}
		}
	}
	return strings.Join(members[:n], ","), false
}

// AppendBaggage appends the value of a baggage header to dst: those members of b whose keys are
// among keys, or all if keys is nil, ordered by key, so that the same baggage always is the same
// text. Members beyond 64 or 8192 bytes, and keys that are not of the grammar, are left out.
//
// Spec: Propagation format for distributed context: Baggage, section 3.3, https://www.w3.org/TR/baggage/#header-content
func AppendBaggage(dst []byte, b baggage.Baggage, keys []string) []byte {
	members := b.Members()
	slices.SortFunc(members, func(a, b baggage.Member) int { return strings.Compare(a.Key(), b.Key()) })
	sent, room := 0, maxBaggageBytes+len(",")
	for i := range members {
		m := &members[i]
		if keys != nil && !slices.Contains(keys, m.Key()) || !isToken(m.Key()) { // OpenTelemetry allows keys that the header does not
			continue
		}
		whole := dst
		if sent > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		dst = appendMember(dst, m)
		if room -= len(dst) - start + len(","); room < 0 || sent == maxBaggageMembers {
			baggageCut.Add(1)
			return whole
		}
		sent++
	}
	return dst
}

// appendMember appends a member whose key is a token.
func appendMember(dst []byte, m *baggage.Member) []byte {
	if m.Properties() != nil {
		return append(dst, m.String()...) // only it has the properties as they came
	}
	dst = append(dst, m.Key()...)
	dst = append(dst, '=')
	for value, i := m.Value(), 0; i < len(value); i++ {
		if c := value[i]; plainInBaggage(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&0xf])
		}
	}
	return dst
}

// encodedLen returns how long a value is when it is percent-encoded.
func encodedLen(value string) int {
	n := len(value)
	for i := range len(value) {
		if !plainInBaggage(value[i]) {
			n += len("%20") - 1
		}
	}
	return n
}

// plainInBaggage reports whether a value has c as it is.
func plainInBaggage(c byte) bool { return c != '%' && baggageBytes[c]&valueByte != 0 }

// contextWithMoreBaggage returns ctx with those members of b whose keys ctx does not have yet.
func contextWithMoreBaggage(ctx context.Context, b baggage.Baggage) context.Context {
	all := baggage.FromContext(ctx)
	if all.Len() == 0 {
		return baggage.ContextWithBaggage(ctx, b)
	}
	for _, m := range b.Members() {
		if all.Member(m.Key()).Key() == "" {
			all, _ = all.SetMember(m)
		}
	}
	return baggage.ContextWithBaggage(ctx, all)
}
