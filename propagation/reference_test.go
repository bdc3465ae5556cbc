package propagation_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
)

// The parsers once more, slow and obvious. Each returns what is sent on in its format's own text,
// "" for an error.

var traceparentRE = regexp.MustCompile(`(?s)^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f])([0-9a-f])(-.*)?$`)

func referenceTraceparent(value string) string {
	m := traceparentRE.FindStringSubmatch(value)
	if m == nil || m[1] == "ff" || m[1] == "00" && m[6] != "" || isZero(m[2]) || isZero(m[3]) {
		return ""
	}
	flags, known := mustUint(m[5], 16), uint64(1)
	if m[1] == "00" {
		known = 3
	}
	return "00-" + m[2] + "-" + m[3] + "-0" + strconv.FormatUint(flags&known, 16)
}

func isZero(id string) bool { return strings.Trim(id, "0") == "" }

func mustUint(s string, base int) uint64 {
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		panic(err)
	}
	return n
}

var (
	stateMemberRE  = regexp.MustCompile(`^[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$`)
	level1MemberRE = regexp.MustCompile(`^([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=`)
)

func referenceTracestate(values []string) (string, bool) {
	all := strings.Join(values, ",")
	if len(values) > 0 && (len(all)+1 > 32*514 || strings.Count(all, ",") >= 128) {
		return "", false
	}
	var kept []string
	whole := len(values) == 1
next:
	for _, member := range strings.Split(all, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		if !stateMemberRE.MatchString(member) {
			return "", false
		}
		key, _, _ := strings.Cut(member, "=")
		for _, other := range kept {
			if strings.HasPrefix(other, key+"=") {
				whole = false
				continue next
			}
		}
		kept = append(kept, member)
	}
	if len(kept) > 32 {
		return "", false
	}
	if whole && len(all) <= 512 && len(kept) > 0 {
		return all, true
	}
	for _, longest := range []int{128, 0} {
		for i := len(kept) - 1; i >= 0; i-- {
			if len(strings.Join(kept, ",")) > 512 && len(kept[i]) > longest {
				kept = append(append([]string(nil), kept[:i]...), kept[i+1:]...)
			}
		}
	}
	return strings.Join(kept, ","), true
}

var b3SingleRE = regexp.MustCompile(`^([0-9a-fA-F]{32}|[0-9a-fA-F]{16})-([0-9a-fA-F]{16})(?:-([01d])(?:-([0-9a-fA-F]{16}))?)?$`)

// referenceB3Single returns the header in lower case, without the parent span ID.
func referenceB3Single(value string) string {
	if value == "0" || value == "1" || value == "d" {
		return value
	}
	m := b3SingleRE.FindStringSubmatch(strings.Clone(value))
	if m == nil || isZero(m[1]) || isZero(m[2]) || m[4] != "" && isZero(m[4]) {
		return ""
	}
	text := strings.ToLower(strings.Repeat("0", 32-len(m[1])) + m[1] + "-" + m[2])
	if m[3] != "" {
		text += "-" + m[3]
	}
	return text
}

// b3Text returns what ParseB3 and ParseB3Single return in the form of a b3 header.
func b3Text(sc trace.SpanContext, decision propagation.Decision, err error) string {
	switch {
	case err != nil:
		return ""
	case sc.IsValid():
		return string(propagation.AppendB3Single(nil, sc, decision))
	case decision == propagation.Deny:
		return "0"
	case decision == propagation.Accept:
		return "1"
	case decision == propagation.Debug:
		return "d"
	}
	return "neither IDs nor a decision"
}

// referenceB3 joins the headers to a single one.
func referenceB3(h propagation.B3Headers) string {
	state := ""
	switch strings.ToLower(h.Sampled) {
	case "1", "true":
		state = "1"
	case "0", "false":
		state = "0"
	case "":
	default:
		return ""
	}
	if h.Flags == "1" {
		state = "d"
	}
	if h.TraceID == "" && h.SpanID == "" && h.ParentSpanID == "" {
		return state
	}
	if strings.ContainsRune(h.TraceID+h.SpanID+h.ParentSpanID, '-') {
		return ""
	}
	if h.ParentSpanID != "" && referenceB3Single(h.TraceID+"-"+h.SpanID+"-1-"+h.ParentSpanID) == "" {
		return ""
	}
	if state != "" {
		state = "-" + state
	}
	return referenceB3Single(h.TraceID + "-" + h.SpanID + state)
}

var jaegerRE = regexp.MustCompile(`^([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):([0-9a-fA-F]{1,16}):([0-9a-fA-F]{1,2})$`)

func referenceJaeger(value string) string {
	decoded := regexp.MustCompile(`%3[Aa]`).ReplaceAllString(value, ":")
	m := jaegerRE.FindStringSubmatch(decoded)
	if m == nil || len(value) > 32+16+16+2+3*len("%3A") || isZero(m[1]) || isZero(m[2]) {
		return ""
	}
	flags := mustUint(m[4], 16) & 3
	if flags == 2 {
		flags = 3
	}
	return strings.ToLower(strings.Repeat("0", 32-len(m[1])) + m[1] + ":" + strings.Repeat("0", 16-len(m[2])) + m[2] + ":0:" + strconv.FormatUint(flags, 10))
}

// referenceGRPCTraceBin returns a traceparent.
func referenceGRPCTraceBin(bin []byte) string {
	if len(bin) > 96 || !bytes.HasPrefix(bin, []byte{0}) {
		return ""
	}
	lengths := []int{16, 8, 1}
	last := map[byte]string{2: "00"}
	for bin = bin[1:]; len(bin) > 0; {
		id := bin[0]
		if id > 2 {
			break
		}
		if len(bin) < 1+lengths[id] {
			return ""
		}
		last[id] = hex.EncodeToString(bin[1 : 1+lengths[id]])
		bin = bin[1+lengths[id]:]
	}
	return referenceTraceparent("00-" + last[0] + "-" + last[1] + "-0" + strconv.FormatUint(mustUint(last[2], 16)&1, 10))
}

// referenceXRay returns a b3 header.
func referenceXRay(value string) string {
	fields := map[string]string{}
	for _, field := range strings.Split(value, ";") {
		key, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
		fields[key] = value
	}
	root := regexp.MustCompile(`^1-([0-9a-f]{8})-([0-9a-f]{24})$`).FindStringSubmatch(fields["Root"])
	if len(value) > 512 || root == nil || strings.ToLower(fields["Parent"]) != fields["Parent"] {
		return ""
	}
	switch text := root[1] + root[2] + "-" + fields["Parent"]; fields["Sampled"] {
	case "", "?":
		if strings.Contains(fields["Parent"], "-") {
			return ""
		}
		return referenceB3Single(text)
	case "0", "1":
		return referenceB3Single(text + "-" + fields["Sampled"])
	}
	return ""
}

// referenceDatadog returns a b3 header.
func referenceDatadog(h propagation.DatadogHeaders) string {
	decimal := regexp.MustCompile(`^[0-9]{1,20}$`)
	traceID, ok1 := new(big.Int).SetString(h.TraceID, 10)
	parentID, ok2 := new(big.Int).SetString(h.ParentID, 10)
	if !ok1 || !ok2 || !decimal.MatchString(h.TraceID) || !decimal.MatchString(h.ParentID) || !traceID.IsUint64() || !parentID.IsUint64() {
		return ""
	}
	upper := strings.Repeat("0", 16)
	if m := regexp.MustCompile(`(?:^|,)_dd\.p\.tid=([^,]*)`).FindStringSubmatch(h.Tags); m != nil && len(h.Tags) <= 512 {
		if regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(m[1]) {
			upper = m[1]
		}
	}
	lower := traceID.Text(16)
	if lower == "0" {
		return ""
	}
	span := parentID.Text(16)
	text := upper + strings.Repeat("0", 16-len(lower)) + lower + "-" + strings.Repeat("0", 16-len(span)) + span
	if h.SamplingPriority == "" {
		return referenceB3Single(text)
	}
	priority, ok := new(big.Int).SetString(h.SamplingPriority, 10)
	if !ok || !regexp.MustCompile(`^-?[0-9]{1,20}$`).MatchString(h.SamplingPriority) || !new(big.Int).Abs(priority).IsUint64() {
		return ""
	}
	if priority.Sign() > 0 {
		return referenceB3Single(text + "-1")
	}
	return referenceB3Single(text + "-0")
}

// referenceBaggage takes member by member as long as there is room.
func referenceBaggage(values []string) baggage.Baggage {
	var kept []string
	bytes, members, all := 0, 0, 0
	for _, value := range values {
		for _, member := range strings.Split(value, ",") {
			if all++; strings.Trim(member, " \t") != "" {
				members++
			}
			if bytes += len(member); bytes > 8192 || members > 64 || all > 256 {
				b, _ := baggage.Parse(strings.Join(kept, ","))
				return b
			}
			bytes++ // the comma
			kept = append(kept, member)
		}
	}
	b, _ := baggage.Parse(strings.Join(kept, ","))
	return b
}

var quotedRE = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*(?:"|\\?$)`)

// referenceServerTiming returns a traceparent.
func referenceServerTiming(values ...string) string {
	for _, value := range values {
		if len(value) > 4096 {
			return ""
		}
		for _, metric := range splitUnquoted(value, ",") {
			params := splitUnquoted(metric, ";")
			if strings.Trim(params[0], " \t") != "traceparent" {
				continue
			}
			for _, param := range params[1:] {
				name, text, _ := strings.Cut(param, "=")
				if strings.EqualFold(strings.Trim(name, " \t"), "desc") {
					return referenceTraceparent(strings.Trim(strings.Trim(text, " \t"), `"`))
				}
			}
			return ""
		}
	}
	return ""
}

// splitUnquoted splits s at those sep that stand in no quoted string.
func splitUnquoted(s, sep string) (parts []string) {
	masked := quotedRE.ReplaceAllStringFunc(s, func(quoted string) string { return strings.Repeat("q", len(quoted)) })
	for part := range strings.SplitSeq(masked, sep) {
		parts = append(parts, s[:len(part)])
		s = s[min(len(part)+len(sep), len(s)):]
	}
	return parts
}

// referenceBase64 returns the bytes of a grpc-trace-bin header, nil if it has none.
func referenceBase64(value string) []byte {
	if strings.HasPrefix(value, "\x00") {
		return []byte(value)
	}
	if len(value) > 128 || !regexp.MustCompile(`^[A-Za-z0-9+/]*={0,2}$`).MatchString(value) {
		return nil
	}
	bare := strings.TrimRight(value, "=")
	bin, err := base64.RawStdEncoding.DecodeString(bare)
	if err != nil || base64.RawStdEncoding.EncodeToString(bin) != bare {
		return nil
	}
	if value != bare && base64.StdEncoding.EncodeToString(bin) != value {
		return nil
	}
	return bin
}

// referenceJaegerBaggage takes uberctx-{key}, then the list, as long as there is room.
func referenceJaegerBaggage(key, value, list string) map[string]string {
	members, n, bytes := map[string]string{}, 0, 0
	for i, pair := range append([]string{key + "=" + value}, strings.Split(list, ",")...) {
		if i > 0 && len(pair)+1 < 32 {
			bytes += 31 - len(pair)
		}
		if bytes += len(pair) + 1; bytes > 8192 || n == 64 {
			break
		}
		if i > 0 {
			var ok bool
			if key, value, ok = strings.Cut(strings.Trim(pair, " \t"), "="); !ok {
				continue
			}
		}
		decoded, err := url.QueryUnescape(value)
		if err != nil {
			decoded = value
		}
		encoded := len(decoded)
		for _, c := range []byte(decoded) {
			if c < '!' || c > '~' || strings.IndexByte(`"%,;\`, c) >= 0 {
				encoded += 2
			}
		}
		bytes += max(encoded-len(value), 0)
		if bytes <= 8192 && key != "" && utf8.ValidString(key) && utf8.ValidString(decoded) {
			members[strings.ToLower(key)] = decoded
			n++
		}
	}
	return members
}
