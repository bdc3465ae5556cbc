package main

// The waterfall: a trace as a tree, with a bar for each span.

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const barWidth = 24

// The colours, which only a terminal gets.
const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
	faint = "\x1b[2m"
	plain = "\x1b[0m"
)

// A waterfall lays out the spans of one trace.
type waterfall struct {
	colour     bool
	children   map[string][]span // by the parent's span ID
	start, end uint64            // of the whole trace, in Unix nanoseconds
	rows       []row
}

// A row is one span with its place in the tree.
type row struct {
	span
	tree string
}

// newWaterfall orders spans: parents above their children, and those above each other as they
// started. A span whose parent is not there is at the top: the trace is broken, or came from outside.
func newWaterfall(spans []span, colour bool) *waterfall {
	f := &waterfall{colour: colour, children: make(map[string][]span)}
	known := make(map[string]bool)
	for _, s := range spans {
		known[string(s.SpanId)] = true
	}
	var top []span
	for _, s := range spans {
		if parent := string(s.ParentSpanId); known[parent] {
			f.children[parent] = append(f.children[parent], s)
		} else {
			top = append(top, s)
		}
		if f.start == 0 || s.StartTimeUnixNano < f.start {
			f.start = s.StartTimeUnixNano
		}
		f.end = max(f.end, s.EndTimeUnixNano)
	}
	byStart(top)
	for _, s := range top {
		f.add(s, "", "")
	}
	return f
}

// add adds the row of s, behind the branch of a tree, and below it its children, behind stem.
func (f *waterfall) add(s span, branch, stem string) {
	f.rows = append(f.rows, row{s, branch + label(s)})
	children := f.children[string(s.SpanId)]
	byStart(children)
	for i, child := range children {
		if i == len(children)-1 {
			f.add(child, stem+"└ ", stem+" ")
		} else {
			f.add(child, stem+"├ ", stem+"│")
		}
	}
}

func byStart(spans []span) {
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
}

// label says who made the span. A proxy has its application's name, and gives itself away by the
// attribute direction.
func label(s span) string {
	switch attribute(s.Attributes, "direction") {
	case "inbound":
		return s.service + " (proxy in)"
	case "outbound":
		return s.service + " (proxy out)"
	}
	return s.service
}

// print writes the rows and a line that counts.
func (f *waterfall) print(w io.Writer) {
	trees, names := len("service"), len("span")
	for _, r := range f.rows {
		trees = max(trees, utf8.RuneCountInString(r.tree))
		names = max(names, utf8.RuneCountInString(r.Name))
	}
	fmt.Fprintf(w, "%-*s  %-*s  %-6s  %9s  %9s\n", trees, "service", names, "span", "kind", "start", "duration")
	for _, r := range f.rows {
		line := fmt.Sprintf("%-*s  %-*s  %-6s  %9s  %9s  %s%s", trees, r.tree, names, r.Name, kind(r.span),
			milliseconds(r.StartTimeUnixNano-f.start), milliseconds(r.EndTimeUnixNano-r.StartTimeUnixNano), f.bar(r.span), f.outcome(r.span))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	fmt.Fprintf(w, "\n%s, %s, %s\n", count(len(f.rows), "span"), count(f.services(), "service"), f.duration())
}

// services counts names, so an application and its proxy are one.
func (f *waterfall) services() int {
	names := make(map[string]bool)
	for _, r := range f.rows {
		names[r.service] = true
	}
	return len(names)
}

func (f *waterfall) duration() string {
	return fmt.Sprintf("%.1f ms", float64(f.end-f.start)/float64(time.Millisecond))
}

// bar draws when s was under way, at least one cell of the time of the whole trace.
func (f *waterfall) bar(s span) string {
	total := max(f.end-f.start, 1)
	cell := func(at uint64) int { return int((at - f.start) * barWidth / total) }
	from := min(cell(s.StartTimeUnixNano), barWidth-1)
	to := max(cell(s.EndTimeUnixNano), from+1)
	colour := green
	switch {
	case failed(s):
		colour = red
	case label(s) != s.service:
		colour = faint
	}
	return strings.Repeat(" ", from) + f.in(colour, strings.Repeat("█", to-from)) + strings.Repeat(" ", barWidth-to)
}

// outcome marks an error with what there is to say of it. A proxy never calls anything an error,
// but shows the status that passed it, unless it is one of gRPC, which it does not know.
func (f *waterfall) outcome(s span) string {
	status := statusCode(s)
	if failed(s) {
		return f.in(red, "  ! "+cmp.Or(joined(status, s.Status.GetMessage()), "error"))
	}
	if code, _ := strconv.Atoi(status); code >= 400 {
		return "  " + status
	}
	return ""
}

// joined returns what there is of a status and its message.
func joined(status, message string) string {
	if status == "" || message == "" {
		return status + message
	}
	return status + ": " + message
}

func (f *waterfall) in(colour, text string) string {
	if !f.colour {
		return text
	}
	return colour + text + plain
}

func failed(s span) bool { return s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR }

// statusCode returns the status of the response: a number of HTTP's, or the name of one of gRPC's.
func statusCode(s span) string {
	for _, kv := range s.Attributes {
		switch kv.Key {
		case "http.response.status_code":
			if _, ok := kv.Value.Value.(*commonpb.AnyValue_IntValue); ok {
				return strconv.FormatInt(kv.Value.GetIntValue(), 10)
			}
			return kv.Value.GetStringValue() // of a proxy
		case "rpc.response.status_code":
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

func kind(s span) string {
	return strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))
}

func milliseconds(nanoseconds uint64) string {
	return fmt.Sprintf("%.2f ms", float64(nanoseconds)/float64(time.Millisecond))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
