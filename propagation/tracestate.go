package propagation

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// The limits of a tracestate. A list of as many members as allowed, each as long as allowed, is
// no longer than maxTracestateInput; what is longer is not looked at. Empty members count against
// maxTracestateCommas only: the grammar allows 32 with those, but joined headers are full of them.
const (
	maxTracestateMembers = 32
	maxTracestateCommas  = 128
	maxTracestateKey     = 256
	maxTracestateValue   = 256
	maxTracestateInput   = maxTracestateMembers * (maxTracestateKey + len("=") + maxTracestateValue + len(","))

	maxTracestateText = 512 // what section 3.3.1.5 wants to be propagated, and we do
	longMember        = 128 // members longer than this are the first to go
)

// ParseTracestate combines the values of all tracestate headers of a message, in their order,
// into the one value that is sent on.
//
// A single value comes back as it is, byte for byte, white space and empty members included.
// Several are joined, without those. Of members with the same key the first is kept. If the
// list is longer than 512 characters, whole members are left out: first those longer than 128
// characters, then all others, in each case from the end.
//
// The error is [ErrSyntax] if a member is not of the grammar, [ErrTooMany] if there are more
// than 32, or 128 with empty ones, or [ErrTooLong] if the values are longer than 32 members can
// be. The specification
// wants such a tracestate to be discarded as a whole. ParseTracestate does not allocate for a
// single value that comes back as it is, nor for an error.
//
// Spec: W3C Trace Context Level 2, section 3.3, https://www.w3.org/TR/trace-context-2/#tracestate-header
func ParseTracestate(values ...string) (string, error) {
	var list tracestate
	if err := list.parse(values); err != nil {
		return "", err
	}
	return list.text(values), nil
}

// A tracestate is a list of members, each key=value without the white space around it.
type tracestate struct {
	members [maxTracestateMembers]string
	len     int
	same    bool // the members, joined by commas, are what was parsed
	whole   bool // no member was left out
}

func (list *tracestate) parse(values []string) error {
	total := len(values) // each has a comma after it
	for _, value := range values {
		if total += len(value); total > maxTracestateInput {
			return ErrTooLong
		}
	}
	list.same, list.whole = len(values) == 1, true
	commas := 0
	for _, value := range values {
		for more := true; more; {
			if commas++; commas > maxTracestateCommas {
				return ErrTooMany
			}
			var member string
			member, value, more = strings.Cut(value, ",")
			if err := list.add(member); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds a member, unless it is empty or its key is there already.
func (list *tracestate) add(member string) error {
	trimmed := strings.Trim(member, " \t")
	if len(trimmed) != len(member) || member == "" {
		list.same = false
	}
	if trimmed == "" {
		return nil // empty members are allowed: they come from joining empty headers
	}
	key, value, _ := strings.Cut(trimmed, "=")
	if !validStateKey(key) || !validStateValue(value) {
		return ErrSyntax
	}
	for _, other := range list.members[:list.len] {
		if strings.HasPrefix(other, key) && other[len(key)] == '=' {
			list.same, list.whole = false, false
			return nil // the first is the newest: members are added on the left
		}
	}
	if list.len == maxTracestateMembers {
		return ErrTooMany
	}
	list.members[list.len] = trimmed
	list.len++
	return nil
}

// text returns the list as it is sent on, given the values that it was parsed from.
func (list *tracestate) text(values []string) string {
	if len(values) == 1 && len(values[0]) <= maxTracestateText && list.whole && list.len > 0 {
		return values[0]
	}
	list.truncate()
	return strings.Join(list.members[:list.len], ",")
}

// truncate leaves members out until the list is no longer than maxTracestateText.
func (list *tracestate) truncate() {
	size := list.len - 1
	for _, member := range list.members[:list.len] {
		size += len(member)
	}
	for _, longest := range [...]int{longMember, 0} {
		for i := list.len - 1; i >= 0 && size > maxTracestateText; i-- {
			if member := list.members[i]; len(member) > longest {
				copy(list.members[i:], list.members[i+1:list.len])
				list.len--
				list.same = false
				size -= len(member) + len(",")
			}
		}
	}
}

// state returns the members of the list that OpenTelemetry's type can hold, and whether that
// then says the same as text, byte for byte.
func (list *tracestate) state(text string) (state trace.TraceState, same bool) {
	members, n := list.members, 0
	for _, member := range members[:list.len] {
		if key, _, _ := strings.Cut(member, "="); validLevel1Key(key) {
			members[n] = member
			n++
		}
	}
	canonical := text
	if !list.same || n < list.len {
		canonical = strings.Join(members[:n], ",")
	}
	state, err := trace.ParseTraceState(canonical)
	return state, err == nil && canonical == text
}

// heldAsItIs reports whether value is a tracestate that is sent on as it is, and that
// OpenTelemetry's type holds byte for byte: members of level 1, without white space around them, each
// key once. There may be others, of longer lists and with tenants; nearly all are of this kind, and
// need not be parsed twice (BenchmarkExtract, row in=tracestate).
func heldAsItIs(value string) bool {
	const most = 8
	if value == "" || len(value) > maxTracestateText {
		return false
	}
	var keys [most]string
	for n, more := 0, true; more; n++ {
		var member string
		member, value, more = strings.Cut(value, ",")
		key, rest, _ := strings.Cut(member, "=")
		if n == most || key == "" || !lower(key[0]) || !validStateKey(key) || strings.IndexByte(key, '@') >= 0 ||
			!validStateValue(rest) || rest[len(rest)-1] == ' ' || slices.Contains(keys[:n], key) {
			return false
		}
		keys[n] = key
	}
	return true
}

// validStateKey reports whether key is of the grammar of level 2: a lower-case letter or digit,
// and up to 255 of those or _-*/@.
func validStateKey(key string) bool {
	if key == "" || len(key) > maxTracestateKey || !lowerOrDigit(key[0]) {
		return false
	}
	for i := 1; i < len(key); i++ {
		if !stateKeyByte(key[i]) && key[i] != '@' {
			return false
		}
	}
	return true
}

// validLevel1Key reports whether a key of level 2 is one of level 1 too, which is what
// OpenTelemetry's TraceState can hold: it begins with a letter, unless it is tenant@system with
// up to 241 and 14 characters.
func validLevel1Key(key string) bool {
	tenant, system, multi := strings.Cut(key, "@")
	if !multi {
		return lower(key[0])
	}
	return len(tenant) <= 241 && system != "" && len(system) <= 14 && lower(system[0]) &&
		strings.IndexByte(system, '@') < 0
}

// validStateValue reports whether value is 1 to 256 printable characters but comma and equals
// sign. The last may not be a space, but parse has trimmed those.
func validStateValue(value string) bool {
	if value == "" || len(value) > maxTracestateValue {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' || c == ',' {
			return false
		}
	}
	return true
}

func lower(c byte) bool        { return 'a' <= c && c <= 'z' }
func lowerOrDigit(c byte) bool { return lower(c) || '0' <= c && c <= '9' }
func stateKeyByte(c byte) bool {
	return lowerOrDigit(c) || c == '_' || c == '-' || c == '*' || c == '/'
}
