package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var baggageTests = []struct {
	rule string // in the words of the specification
	in   []string
	want string // as AppendBaggage writes it
	cut  bool
}{
	{"one member", []string{"userId=alice"}, "userId=alice", false},
	{"members, properties and white space", []string{"key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue"}, "key1=value1;property1;property2,key2=value2,key3=value3; propertyKey=propertyValue", false},
	{"multiple headers are combined", []string{"userId=alice", "serverNode=DF%2028,isProduction=false"}, "isProduction=false,serverNode=DF%2028,userId=alice", false},
	{"values are percent-decoded", []string{"k=%E4%BD%A0"}, "k=%E4%BD%A0", false},
	{"octets that are no UTF-8 are replaced", []string{"k=a%ffb"}, "k=a%EF%BF%BDb", false},
	{"a value may have equals signs", []string{"k=a=b"}, "k=a=b", false},
	{"a value may be empty", []string{"k="}, "k=", false},
	{"of duplicates the last is kept", []string{"k=1", "k=2"}, "k=2", false},
	{"a malformed member is left out", []string{"a=1,b,c=3,d=x y,\"e\"=5,f=%zz"}, "a=1,c=3", false},
	{"no header", nil, "", false},
	{"an empty header", []string{"", " ", ","}, "", false},

	{"64 members pass", []string{baggageMembers(0, 64)}, baggageMembers(0, 64), false},
	{"64 members pass over several headers", []string{baggageMembers(0, 30), baggageMembers(30, 64)}, baggageMembers(0, 64), false},
	{"64 members pass with empty ones between", []string{strings.ReplaceAll(baggageMembers(0, 64), ",", ",,")}, baggageMembers(0, 64), false},
	{"of 65 members the first 64 pass", []string{baggageMembers(0, 65)}, baggageMembers(0, 64), true},
	{"of 65 members over several headers the first 64 pass", []string{baggageMembers(0, 60), baggageMembers(60, 65)}, baggageMembers(0, 64), true},
	{"empty members count after 256", []string{"a=1," + strings.Repeat(",", 254) + "b=2", "c=3"}, "a=1,b=2", true},
	{"8192 bytes pass", []string{"k=" + strings.Repeat("v", 8190)}, "k=" + strings.Repeat("v", 8190), false},
	{"8192 bytes pass over several headers", []string{"k=" + strings.Repeat("v", 4094), "l=" + strings.Repeat("v", 4093)}, "k=" + strings.Repeat("v", 4094) + ",l=" + strings.Repeat("v", 4093), false},
	{"of 8193 bytes the members before pass", []string{"a=1,k=" + strings.Repeat("v", 8187), "b=1"}, "a=1", true},
	{"of 8193 bytes over several headers the members before pass", []string{"a=1", "k=" + strings.Repeat("v", 8187), "b=1"}, "a=1", true},
	{"of 8193 bytes in one member nothing passes", []string{"k=" + strings.Repeat("v", 8191)}, "", true},
}

func baggageMembers(from, to int) string {
	members := make([]string, 0, to)
	for i := from; i < to; i++ {
		members = append(members, fmt.Sprintf("key%03d=%d", i, i))
	}
	return strings.Join(members, ",")
}

func TestParseBaggage(t *testing.T) {
	for _, tt := range baggageTests {
		t.Run(tt.rule, func(t *testing.T) {
			before := propagation.BaggageCut()
			got := string(propagation.AppendBaggage(nil, propagation.ParseBaggage(tt.in...), nil))
			if got != tt.want {
				t.Errorf("ParseBaggage(%.300q) = %.300q, want %.300q", tt.in, got, tt.want)
			}
			if cut := propagation.BaggageCut() > before; cut != tt.cut {
				t.Errorf("ParseBaggage(%.300q) counted as cut: %t, want %t", tt.in, cut, tt.cut)
			}
		})
	}
}

func withBaggage(t testing.TB, ctx context.Context, list string) context.Context {
	t.Helper()
	b, err := baggage.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, b)
}

func TestBaggageInject(t *testing.T) {
	sampled, _ := span(trace.FlagsSampled)
	none := context.Background()
	for _, tt := range []struct {
		rule     string
		p        propagation.Baggage
		ctx      context.Context
		in, want string
	}{
		{"all keys by default", propagation.Baggage{}, withBaggage(t, none, "b=2,a=1"), "", "a=1,b=2"},
		{"only the keys that may leave", propagation.Baggage{Keys: []string{"c", "a"}}, withBaggage(t, none, "b=2,a=1"), "", "a=1"},
		{"no key may leave", propagation.Baggage{Keys: []string{}}, withBaggage(t, none, "b=2,a=1"), "", ""},
		{"what a reverse proxy copied may not leave", propagation.Baggage{Keys: []string{"a"}}, none, "b=2", ""},
		{"what a reverse proxy copied is not the context's", propagation.Baggage{}, sampled, "b=2", ""},
		{"what a reverse proxy copied is overwritten", propagation.Baggage{}, withBaggage(t, sampled, "a=1"), "b=2", "a=1"},
		{"what nobody has looked at passes", propagation.Baggage{}, none, "b=2", "b=2"},
		{"no baggage, nothing is written", propagation.Baggage{}, sampled, "", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			h := http.Header{}
			if tt.in != "" {
				h.Set("Baggage", tt.in)
			}
			if got := injected(tt.ctx, tt.p, h).Get("Baggage"); got != tt.want {
				t.Errorf("baggage %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAppendBaggageIsBounded(t *testing.T) {
	var many, large baggage.Baggage
	for i := range 100 {
		m, err := baggage.NewMemberRaw(fmt.Sprintf("key%03d", i), "v")
		if err != nil {
			t.Fatal(err)
		}
		many, _ = many.SetMember(m)
		m, _ = baggage.NewMemberRaw(fmt.Sprintf("key%03d", i), strings.Repeat("v", 1000))
		large, _ = large.SetMember(m)
	}
	before := propagation.BaggageCut()
	want := make([]string, 64)
	for i := range want {
		want[i] = fmt.Sprintf("key%03d=v", i)
	}
	if diff := cmp.Diff(strings.Join(want, ","), string(propagation.AppendBaggage(nil, many, nil))); diff != "" {
		t.Errorf("members written (-want +got):\n%s", diff)
	}
	text := propagation.AppendBaggage([]byte("x="), large, nil)
	if n := len(text) - len("x="); n != 8*len("key000="+strings.Repeat("v", 1000)+",")-1 {
		t.Errorf("%d bytes written, want 8 members of over 1000", n)
	}
	if got := propagation.BaggageCut() - before; got != 2 {
		t.Errorf("BaggageCut rose by %d, want 2", got)
	}
}

func TestBaggageKeyThatIsNoToken(t *testing.T) {
	m, err := baggage.NewMemberRaw("schlüssel", "v")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := baggage.New(m)
	if got := string(propagation.AppendBaggage(nil, b, nil)); got != "" {
		t.Errorf("wrote %q, which is not of the grammar", got)
	}
}

func TestBaggageRoundTrip(t *testing.T) {
	m, err := baggage.NewMemberRaw("key", "naïve, \"quoted\"; 100%")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := baggage.New(m)
	ctx := baggage.ContextWithBaggage(context.Background(), b)
	for name, carrier := range carriers() {
		t.Run(name, func(t *testing.T) {
			propagation.Baggage{}.Inject(ctx, carrier)
			got := propagation.Baggage{}.Extract(context.Background(), carrier)
			if diff := cmp.Diff(baggageOf(ctx), baggageOf(got)); diff != "" {
				t.Errorf("baggage (-want +got):\n%s", diff)
			}
		})
	}
	ctx = context.Background()
	if got := (propagation.Baggage{}).Extract(ctx, otelpropagation.HeaderCarrier{}); got != ctx {
		t.Error("Extract of nothing changed the context")
	}
}
