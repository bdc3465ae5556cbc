package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/meshtrace/meshtrace/benchmarks/internal/contender"
)

// writeTable writes the outcomes as a table in Markdown.
func writeTable(w io.Writer, all []outcome) error {
	var b strings.Builder
	b.WriteString("| path | without tracing | meshtrace adds | OpenTelemetry adds | as most write it | less CPU | fewer allocs | budget | |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, o := range all {
		limits := budgets[o.name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			o.title, o.baseline(),
			o.cell(contender.Meshtrace), o.cell(contender.OTel), o.cell(contender.OTelDefaults),
			o.timesCPU(), o.timesAllocs(), limits, verdict(limits, o))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String says the cost in the words of the table.
func (c cost) String() string {
	cpu := fmt.Sprintf("%.2f us", c.cpu)
	if c.cpu < 1 {
		cpu = fmt.Sprintf("%.0f ns", 1000*c.cpu)
	}
	return fmt.Sprintf("%s, %s allocs, %.0f B", cpu, plain(c.allocs), max(c.bytes, 0))
}

// plain writes a count, with as many decimals as it has any use for.
func plain(n float64) string {
	switch {
	case n < slack/2:
		return "0"
	case n < 1:
		return fmt.Sprintf("%.3f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

// cell says what a contender adds, and how many spans it lost.
func (o outcome) cell(name contender.Name) string {
	if _, ok := o.rounds[0][name]; !ok {
		return ""
	}
	text := o.added(name).String()
	if o.name == serviceRow {
		text = fmt.Sprintf("%+.1f %%: %s", 100*o.overhead(name), text)
	}
	if lost := o.lost[name]; lost != 0 {
		text += fmt.Sprintf(" (**%d of %d spans lost**)", lost, lost+o.delivered(name))
	}
	return text
}

// timesCPU says how many times less CPU meshtrace adds than the peer, and how that differed from
// round to round.
func (o outcome) timesCPU() string {
	ours, theirs := o.added(contender.Meshtrace).cpu, o.added(contender.OTel).cpu
	low, high := o.spread(contender.OTel, contender.Meshtrace)
	return fmt.Sprintf("**%.1fx** (%.1f-%.1f)", theirs/ours, low, high)
}

func (o outcome) timesAllocs() string {
	ours, theirs := o.added(contender.Meshtrace).allocs, o.added(contender.OTel).allocs
	switch {
	case theirs < slack:
		return ""
	case ours < slack/2:
		return "all"
	}
	return fmt.Sprintf("%.0fx", theirs/ours)
}

func (o outcome) delivered(name contender.Name) (n int) {
	for _, r := range o.rounds {
		n += r[name].delivered.Spans
	}
	return n
}

func verdict(b budget, o outcome) string {
	if b == (budget{}) {
		return ""
	}
	if over := b.exceeded(o); over != "" {
		return "**not met**: " + over
	}
	return "met"
}

// writeFooter writes how the table came to be.
func writeFooter(w io.Writer, cfg config, all []outcome, took time.Duration) error {
	_, err := fmt.Fprintf(w, "\n%s\n%s\n%s\nMedians of %d rounds, in brackets the middle half of them; %.0f s in all.\n",
		machine(), peers(), spanSizes(all), cfg.rounds, took.Seconds())
	return err
}

// spanSizes says how many spans arrived, and how large they were: contenders that record the same
// send about the same.
func spanSizes(all []outcome) string {
	var parts []string
	for _, name := range []contender.Name{contender.Meshtrace, contender.OTel} {
		var spans, bytes, lost int
		for _, o := range all {
			lost += o.lost[name]
			for _, r := range o.rounds {
				spans, bytes = spans+r[name].delivered.Spans, bytes+r[name].delivered.Bytes
			}
		}
		if spans > 0 {
			parts = append(parts, fmt.Sprintf("%d spans of %d bytes from %s, %d lost", spans, bytes/spans, name, lost))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Received: " + strings.Join(parts, "; ") + "."
}
