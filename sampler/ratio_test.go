package sampler_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/sampler"
)

func TestRatioAndPercentRefuseByName(t *testing.T) {
	for _, tt := range []struct {
		rule string
		err  error
		want string
	}{
		{"more than all", errOf(sampler.Percent(150)), "sampler: Percent(150): want 0 to 100"},
		{"a little more than all", errOf(sampler.Percent(100.5)), "sampler: Percent(100.5): want 0 to 100"},
		{"less than none", errOf(sampler.Percent(-1)), "sampler: Percent(-1): want 0 to 100"},
		{"not a number", errOf(sampler.Percent(math.NaN())), "sampler: Percent(NaN): want 0 to 100"},
		{"infinite", errOf(sampler.Percent(math.Inf(1))), "sampler: Percent(+Inf): want 0 to 100"},
		{"infinitely few", errOf(sampler.Percent(math.Inf(-1))), "sampler: Percent(-Inf): want 0 to 100"},
		{"a percentage for a ratio", errOf(sampler.Ratio(50)), "sampler: Ratio(50): want 0 to 1"},
		{"less than no ratio", errOf(sampler.Ratio(-0.5)), "sampler: Ratio(-0.5): want 0 to 1"},
		{"not a ratio", errOf(sampler.Ratio(math.NaN())), "sampler: Ratio(NaN): want 0 to 1"},
		{"infinite ratio", errOf(sampler.Ratio(math.Inf(1))), "sampler: Ratio(+Inf): want 0 to 1"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if tt.err == nil || tt.err.Error() != tt.want {
				t.Errorf("error %v, want %s", tt.err, tt.want)
			}
		})
	}
}

func errOf(s sdktrace.Sampler, err error) error {
	if s != nil {
		return fmt.Errorf("a sampler %v beside the error %v", s, err)
	}
	return err
}

func TestRatioAndPercentDescribeThemselvesAsTheyWereCalled(t *testing.T) {
	for want, s := range map[string]sdktrace.Sampler{
		"Percent{100}":  must(sampler.Percent(100)),
		"Percent{0.7}":  must(sampler.Percent(0.7)), // 0.7/100 is 0.006999999999999999
		"Ratio{0.0025}": must(sampler.Ratio(0.0025)),
		"Ratio{0}":      must(sampler.Ratio(0)),
	} {
		if got := s.Description(); got != want {
			t.Errorf("Description() = %q, want %q", got, want)
		}
	}
}

// ratios go from none to all, with the neighbours of both ends.
var ratios = []float64{
	0, math.SmallestNonzeroFloat64, 0x1p-64, 0x1p-63, 0x1p-62, 1e-9, 0.0001, 0.001, 0.01,
	0.1, 0.25, 1.0 / 3, 0.5, math.Nextafter(0.5, 1), 0.75, 0.9, 0.999, math.Nextafter(1, 0), 1,
}

func TestRatioDecidesAsOpenTelemetrysTraceIDRatioBased(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, fraction := range ratios {
		ours, theirs := must(sampler.Ratio(fraction)), sdktrace.TraceIDRatioBased(fraction)
		for _, id := range append(idsAround(fraction), randomIDs(random, 10_000)...) {
			if got, want := sampled(ours, id), sampled(theirs, id); got != want {
				t.Fatalf("Ratio(%v) samples %v: %t, TraceIDRatioBased: %t", fraction, id, got, want)
			}
		}
	}
}

func TestPercentIsRatioOfAHundredth(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for percent := range 101 {
		fraction := float64(percent) / 100
		p, r := must(sampler.Percent(float64(percent))), must(sampler.Ratio(fraction))
		for _, id := range append(idsAround(fraction), randomIDs(random, 100)...) {
			if got, want := sampled(p, id), sampled(r, id); got != want {
				t.Fatalf("Percent(%d) samples %v: %t, Ratio(%v): %t", percent, id, got, fraction, want)
			}
		}
	}
}

func TestATraceSampledAtOneRatioIsSampledAtEveryLarger(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, id := range randomIDs(random, 10_000) {
		before := 0.0
		in := false
		for _, fraction := range ratios {
			now := sampled(must(sampler.Ratio(fraction)), id)
			if in && !now {
				t.Fatalf("%v is sampled at %v and not at %v", id, before, fraction)
			}
			before, in = fraction, now
		}
		if !in {
			t.Fatalf("%v is not sampled at 1", id)
		}
	}
}

// Five standard deviations: chance fails one seed in about two million. This one is fixed.
func TestRatioIsMet(t *testing.T) {
	const n, deviations = 500_000, 5
	ids := randomIDs(rand.New(rand.NewPCG(7, 8)), n)
	for _, fraction := range []float64{0, 0.0001, 0.001, 0.01, 0.1, 1.0 / 3, 0.5, 0.9, 0.999, 1} {
		s, count := must(sampler.Ratio(fraction)), 0
		for _, id := range ids {
			if sampled(s, id) {
				count++
			}
		}
		off := math.Abs(float64(count) - n*fraction)
		if limit := deviations * math.Sqrt(n*fraction*(1-fraction)); off > limit {
			t.Errorf("Ratio(%v) sampled %d of %d, off by %v, want at most %v", fraction, count, n, off, limit)
		}
	}
}

func TestHalfAnIDDecides(t *testing.T) {
	// A service that reads 64-bit B3 IDs knows the right half only. It must not disagree.
	random := rand.New(rand.NewPCG(9, 10))
	s := must(sampler.Ratio(0.5))
	for _, id := range randomIDs(random, 1000) {
		var half trace.TraceID
		copy(half[8:], id[8:])
		if sampled(s, id) != sampled(s, half) {
			t.Fatalf("%v and %v differ", id, half)
		}
	}
}

func randomIDs(random *rand.Rand, n int) []trace.TraceID {
	ids := make([]trace.TraceID, n)
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][:8], random.Uint64())
		binary.BigEndian.PutUint64(ids[i][8:], random.Uint64())
	}
	return ids
}

// idsAround are the IDs next to the one at which the decision changes, and the first and last.
func idsAround(fraction float64) []trace.TraceID {
	var ids []trace.TraceID
	number := uint64(fraction * (1 << 63))
	for _, n := range []uint64{0, 1, number - 2, number - 1, number, number + 1, 1<<63 - 1} {
		for _, lowest := range []uint64{0, 1} {
			var id trace.TraceID
			binary.BigEndian.PutUint64(id[8:], n<<1|lowest)
			ids = append(ids, id)
		}
	}
	return ids
}
