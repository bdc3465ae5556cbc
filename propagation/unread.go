package propagation

// Baggage that nobody has read yet: kept as it came, parsed when somebody asks.

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/baggage"

	"github.com/meshtrace/meshtrace/internal/contextkey"
)

// unreadBaggage is a context with baggage that came in and that nobody has asked for yet. Most
// services only pass it on, and to parse it costs more than all trace headers together
// (BenchmarkExtract, rows in=baggage).
//
// It is OpenTelemetry's baggage as soon as somebody asks for that. Who puts other baggage over it
// also asks: so as long as nobody has, its text is what is to be sent.
type unreadBaggage struct {
	context.Context
	text string

	once  sync.Once
	asked atomic.Bool
	value any // what OpenTelemetry finds under baggageKey
}

// contextWithUnreadBaggage returns ctx with the baggage of a header, if that needs no parsing to
// be passed on, and ctx has no baggage yet, nor OpenTracing's bridge, which wants to be told.
func contextWithUnreadBaggage(ctx context.Context, text string) (context.Context, bool) {
	if baggageKey == nil || !passesUnread(text) || ctx.Value(baggageKey) != nil {
		return ctx, false
	}
	return &unreadBaggage{Context: ctx, text: text}, true
}

type unreadBaggageKey struct{}

// Value returns the baggage parsed, and all else as the context below has it.
func (c *unreadBaggage) Value(key any) any {
	switch key {
	case baggageKey:
		c.once.Do(func() {
			c.value = baggage.ContextWithBaggage(c.Context, ParseBaggage(c.text)).Value(baggageKey)
			c.asked.Store(true)
		})
		return c.value
	case unreadBaggageKey{}:
		return c
	}
	return c.Context.Value(key)
}

// String keeps fmt from reading what Value writes.
func (c *unreadBaggage) String() string { return "propagation.unreadBaggage" }

// unreadBaggageIn returns the text of ctx's baggage, unless somebody has asked for it.
func unreadBaggageIn(ctx context.Context) string {
	if c, ok := ctx.Value(unreadBaggageKey{}).(*unreadBaggage); ok && !c.asked.Load() {
		return c.text
	}
	return ""
}

// baggageKey is the key under which OpenTelemetry keeps baggage. It is nil if a later OpenTelemetry
// should put baggage over other without asking for that: then all baggage is parsed at once.
var baggageKey = func() any {
	reading := contextkey.Of(func(ctx context.Context) { baggage.FromContext(ctx) })
	writing := contextkey.Of(func(ctx context.Context) { baggage.ContextWithoutBaggage(ctx) })
	if reading != writing {
		return nil
	}
	return reading
}()

// maxUnreadMembers bounds the search for keys that come twice.
const maxUnreadMembers = 16

// passesUnread reports whether text is baggage that parsing would not change: within the limits,
// well-formed, without white space, every key once, and every percent-encoding that of a
// character of ASCII which needs one.
func passesUnread(text string) bool {
	if text == "" || len(text) > maxBaggageBytes {
		return false
	}
	var keys [maxUnreadMembers]string
	for n, more := 0, true; more; n++ {
		var member string
		member, text, more = strings.Cut(text, ",")
		key, ok := cutMember(member)
		if !ok || n == len(keys) {
			return false
		}
		for _, other := range keys[:n] {
			if other == key {
				return false
			}
		}
		keys[n] = key
	}
	return true
}

// cutMember returns the key of a member that passesUnread.
func cutMember(member string) (key string, ok bool) {
	pair, properties, more := strings.Cut(member, ";")
	key, value, ok := strings.Cut(pair, "=")
	ok = ok && isToken(key) && isEncoded(value)
	for more && ok {
		var property string
		property, properties, more = strings.Cut(properties, ";")
		name, value, _ := strings.Cut(property, "=")
		ok = isToken(name) && isEncoded(value)
	}
	return key, ok
}

// isToken reports whether s is a token of HTTP's.
func isToken(s string) bool {
	for i := range len(s) {
		if baggageBytes[s[i]]&tokenByte == 0 {
			return false
		}
	}
	return s != ""
}

// isEncoded reports whether s is a value as AppendBaggage writes it.
func isEncoded(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			if baggageBytes[s[i]]&valueByte == 0 {
				return false
			}
			continue
		}
		if len(s) < i+3 {
			return false
		}
		hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
		if hi < 0 || lo < 0 || hi > 7 {
			return false
		}
		if plainInBaggage(byte(hi<<4 | lo)) {
			return false
		}
		i += 2
	}
	return true
}

// baggageBytes says which bytes a key may have, and which a value without percent-encoding.
//
// Spec: Propagation format for distributed context: Baggage, section 3.3.1, https://www.w3.org/TR/baggage/#definition
var baggageBytes = func() (table [256]uint8) {
	for c := byte('!'); c <= '~'; c++ {
		if c != '"' && c != ',' && c != ';' && c != '\\' {
			table[c] |= valueByte
		}
		if strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0 {
			table[c] |= tokenByte
		}
	}
	return table
}()

const (
	tokenByte = 1 << iota
	valueByte
)

const upperHex = "0123456789ABCDEF"
