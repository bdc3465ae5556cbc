package excerpt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/internal/excerpt"
)

func TestOf(t *testing.T) {
	full := strings.Repeat("a", excerpt.MaxBytes)
	for _, tt := range []struct{ rule, text, want string }{
		{"nothing", "", ""},
		{"a text of the greatest length", full, full},
		{"a longer one is cut", full + "b", full},
		{"not within a character", full[1:] + "\u00e9\u00e9", full[1:]},
		{"nor within one of four bytes", full[3:] + "\U0001f600", full[3:]},
		{"what is not UTF-8 is cut anywhere", strings.Repeat("\x80", excerpt.MaxBytes+1), strings.Repeat("\x80", excerpt.MaxBytes-4)},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if got := excerpt.Of(tt.text); got != tt.want {
				t.Errorf("%d bytes, want %d", len(got), len(tt.want))
			}
		})
	}
}

func TestAll(t *testing.T) {
	full := strings.Repeat("a", excerpt.MaxBytes)
	short, long := []string{"x", full}, []string{"x", full + "b"}
	if got := excerpt.All(short); &got[0] != &short[0] {
		t.Error("values that are short enough were copied")
	}
	if got := excerpt.All(long); !slices.Equal(got, short) {
		t.Errorf("values of %d and %d bytes", len(got[0]), len(got[1]))
	}
	if len(long[1]) != excerpt.MaxBytes+1 {
		t.Error("somebody else's values were changed")
	}
}
