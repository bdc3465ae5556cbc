// Package excerpt bounds texts that come from a stranger and become attributes. A header may be as long
// as the server lets it, which is a megabyte for net/http and sixteen for gRPC; a few hundred such spans
// would push all others out of an exporter's memory.
package excerpt

import "unicode/utf8"

// MaxBytes is how much of a text is recorded: what servers usually allow for a URL.
const MaxBytes = 8 << 10

// Of returns text, or the beginning of one that is longer than [MaxBytes], up to the last whole character.
func Of(text string) string {
	if len(text) > MaxBytes {
		return beginning(text)
	}
	return text
}

func beginning(text string) string {
	end := MaxBytes
	for end > MaxBytes-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// All returns values, or a copy in which each is what [Of] returns.
func All(values []string) []string {
	for _, value := range values {
		if len(value) > MaxBytes {
			return each(values)
		}
	}
	return values
}

func each(values []string) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = Of(value)
	}
	return out
}
