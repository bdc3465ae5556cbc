package propagation_test

import (
	"strings"
	"testing"

	"github.com/meshtrace/meshtrace/propagation"
)

const xrayRoot = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"

var xrayTests = []struct {
	rule     string // in the words of AWS's documentation
	in       string
	want     string // as AppendXRay writes it
	decision propagation.Decision
	err      error
}{
	{"sampled", xrayRoot + ";Parent=" + sid + ";Sampled=1", xrayRoot + ";Parent=" + sid + ";Sampled=1", propagation.NoDecision, nil},
	{"not sampled", xrayRoot + ";Parent=" + sid + ";Sampled=0", xrayRoot + ";Parent=" + sid + ";Sampled=0", propagation.NoDecision, nil},
	{"decision is asked for", xrayRoot + ";Parent=" + sid + ";Sampled=?", xrayRoot + ";Parent=" + sid + ";Sampled=?", propagation.Deferred, nil},
	{"no decision", xrayRoot + ";Parent=" + sid, xrayRoot + ";Parent=" + sid + ";Sampled=?", propagation.Deferred, nil},
	{"fields in any order, with spaces", "Sampled=1 ; Parent=" + sid + "; " + xrayRoot, xrayRoot + ";Parent=" + sid + ";Sampled=1", propagation.NoDecision, nil},
	{"other fields", "Self=1-67891234-12456789abcdef012345678;" + xrayRoot + ";Parent=" + sid + ";Sampled=1;Lineage=25:a:1;App=x=y", xrayRoot + ";Parent=" + sid + ";Sampled=1", propagation.NoDecision, nil},

	{"what a load balancer writes has no parent", xrayRoot, "", propagation.NoDecision, propagation.ErrMissing},
	{"no root", "Parent=" + sid + ";Sampled=1", "", propagation.NoDecision, propagation.ErrMissing},
	{"empty", "", "", propagation.NoDecision, propagation.ErrMissing},
	{"version 2", "Root=2" + xrayRoot[6:] + ";Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"root without hyphens", "Root=1" + tid + ";Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"root without version", "Root=-4bf92f35-" + tid[8:] + ";Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"root without time", "Root=1-77b34da6a3ce929d0e0e4736;Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"root is too long", xrayRoot + "0;Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"root is too short", xrayRoot[:len(xrayRoot)-1] + ";Parent=" + sid, "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent is too long", xrayRoot + ";Parent=" + sid + "0", "", propagation.NoDecision, propagation.ErrSyntax},
	{"parent must be hex", xrayRoot + ";Parent=?" + sid[1:], "", propagation.NoDecision, propagation.ErrSyntax},
	{"root is zero", "Root=1-00000000-000000000000000000000000;Parent=" + sid, "", propagation.NoDecision, propagation.ErrZeroID},
	{"parent is zero", xrayRoot + ";Parent=" + zero, "", propagation.NoDecision, propagation.ErrZeroID},
	{"sampled is none of 0, 1, ?", xrayRoot + ";Parent=" + sid + ";Sampled=true", "", propagation.NoDecision, propagation.ErrSampling},
	{"as long as is read", xrayRoot + ";Parent=" + sid + ";Sampled=1;" + strings.Repeat("x", 512-len(xrayRoot+";Parent="+sid+";Sampled=1;")), xrayRoot + ";Parent=" + sid + ";Sampled=1", propagation.NoDecision, nil},
	{"longer", xrayRoot + ";Parent=" + sid + ";Sampled=1;" + strings.Repeat("x", 513-len(xrayRoot+";Parent="+sid+";Sampled=1;")), "", propagation.NoDecision, propagation.ErrTooLong},
	{"too long", xrayRoot + ";Parent=" + sid + ";App=" + strings.Repeat("x", 512), "", propagation.NoDecision, propagation.ErrTooLong},
}

func TestParseXRay(t *testing.T) {
	for _, tt := range xrayTests {
		t.Run(tt.rule, func(t *testing.T) {
			sc, decision, err := propagation.ParseXRay(tt.in)
			if decision != tt.decision || err != tt.err {
				t.Fatalf("ParseXRay(%q): decision %d, error %v; want %d, %v", tt.in, decision, err, tt.decision, tt.err)
			}
			if err != nil {
				return
			}
			if got := string(propagation.AppendXRay(nil, sc, decision)); got != tt.want || !sc.IsRemote() {
				t.Errorf("ParseXRay(%q) = %q, remote %t; want %q", tt.in, got, sc.IsRemote(), tt.want)
			}
		})
	}
}
