package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// received returns a context with the baggage of a request.
func received(ctx context.Context, values ...string) context.Context {
	return propagation.Baggage{}.Extract(ctx, otelpropagation.HeaderCarrier(http.Header{"Baggage": values}))
}

// Baggage that came in goes out as it came for as long as nobody has asked for it, and otherwise as
// whoever asked has left it.
func TestBaggageOnItsWayThrough(t *testing.T) {
	const in = "b=2,a=1;ttl=5;secret,c=%20"
	background := context.Background()
	for _, tt := range []struct {
		rule string
		in   []string
		p    propagation.Baggage
		do   func(context.Context) context.Context
		want string
	}{
		{"untouched", []string{in}, propagation.Baggage{}, nil, in},
		{"read, it is ordered by key", []string{in}, propagation.Baggage{},
			func(ctx context.Context) context.Context { baggage.FromContext(ctx); return ctx }, "a=1;ttl=5;secret,b=2,c=%20"},
		{"replaced", []string{in}, propagation.Baggage{},
			func(ctx context.Context) context.Context { return withBaggage(t, ctx, "d=4") }, "d=4"},
		{"a member added", []string{in}, propagation.Baggage{},
			func(ctx context.Context) context.Context {
				m, _ := baggage.NewMemberRaw("d", "4")
				b, _ := baggage.FromContext(ctx).SetMember(m)
				return baggage.ContextWithBaggage(ctx, b)
			}, "a=1;ttl=5;secret,b=2,c=%20,d=4"},
		{"removed", []string{in}, propagation.Baggage{}, baggage.ContextWithoutBaggage, ""},
		{"removed from another context", []string{in}, propagation.Baggage{},
			func(ctx context.Context) context.Context { baggage.ContextWithoutBaggage(ctx); return ctx }, "a=1;ttl=5;secret,b=2,c=%20"},
		{"below other values", []string{in}, propagation.Baggage{},
			func(ctx context.Context) context.Context { ctx, _ = span2(ctx); return ctx }, in},
		{"only some keys may leave", []string{in}, propagation.Baggage{Keys: []string{"b"}}, nil, "b=2"},
		{"no key may leave", []string{in}, propagation.Baggage{Keys: []string{}}, nil, ""},
		{"extracted again, the last counts", []string{"x=1"}, propagation.Baggage{},
			func(ctx context.Context) context.Context { return received(ctx, in) }, "a=1;ttl=5;secret,b=2,c=%20"},

		{"a key that comes twice", []string{"a=1,b=2,a=3"}, propagation.Baggage{}, nil, "a=3,b=2"},
		{"white space", []string{"b=2, a=1"}, propagation.Baggage{}, nil, "a=1,b=2"},
		{"a malformed member", []string{"b=2,(a)=1"}, propagation.Baggage{}, nil, "b=2"},
		{"a value that needs encoding", []string{"a=\u00fc,b=2"}, propagation.Baggage{}, nil, "b=2"},
		{"an encoding that is none", []string{"a=%zz,b=2,c=%2"}, propagation.Baggage{}, nil, "b=2"},
		{"an encoding of what needs none", []string{"b=2,a=%41"}, propagation.Baggage{}, nil, "a=A,b=2"},
		{"an encoding in lower case", []string{"b=2,a=%2c"}, propagation.Baggage{}, nil, "a=%2C,b=2"},
		{"octets that are no UTF-8", []string{"b=2,a=%ff"}, propagation.Baggage{}, nil, "a=%EF%BF%BD,b=2"},
		{"octets that are no UTF-8, in upper case", []string{"b=2,a=%FF"}, propagation.Baggage{}, nil, "a=%EF%BF%BD,b=2"},
		{"characters that are not ASCII", []string{"b=2,a=%E4%BD%A0"}, propagation.Baggage{}, nil, "a=%E4%BD%A0,b=2"},
		{"a property that is no token", []string{"b=2;(,a=1"}, propagation.Baggage{}, nil, "a=1"},
		{"an empty property", []string{"b=2;,a=1"}, propagation.Baggage{}, nil, "a=1,b=2"},
		{"empty members", []string{"b=2,,a=1"}, propagation.Baggage{}, nil, "a=1,b=2"},
		{"several headers", []string{"b=2", "a=1"}, propagation.Baggage{}, nil, "a=1,b=2"},
		{"16 members", []string{reversed(16)}, propagation.Baggage{}, nil, reversed(16)},
		{"more than 16 members", []string{reversed(17)}, propagation.Baggage{}, nil, baggageMembers(0, 17)},
		{"8192 bytes", []string{"b=" + strings.Repeat("v", 8186) + ",a=1"}, propagation.Baggage{}, nil, "b=" + strings.Repeat("v", 8186) + ",a=1"},
		{"8193 bytes", []string{"b=" + strings.Repeat("v", 8187) + ",a=1"}, propagation.Baggage{}, nil, "b=" + strings.Repeat("v", 8187)},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ctx := received(background, tt.in...)
			if tt.do != nil {
				ctx = tt.do(ctx)
			}
			for range 2 { // to send it is not to ask for it
				if got := injected(ctx, tt.p, nil).Get("Baggage"); got != tt.want {
					t.Fatalf("%.300q went out as %.300q, want %.300q", tt.in, got, tt.want)
				}
			}
		})
	}
}

// reversed is baggage whose order shows whether somebody has read it.
func reversed(n int) string {
	members := strings.Split(baggageMembers(0, n), ",")
	for i, j := 0, len(members)-1; i < j; i, j = i+1, j-1 {
		members[i], members[j] = members[j], members[i]
	}
	return strings.Join(members, ",")
}

// span2 returns ctx with some other value.
func span2(ctx context.Context) (context.Context, context.CancelFunc) {
	type key struct{}
	return context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
}

func TestUnreadBaggageIsAContext(t *testing.T) {
	type key struct{}
	below, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, "v"))
	ctx := received(below, "a=%20b,c=d;p=q")
	if diff := cmp.Diff(map[string]string{"a": " b", "c": "d"}, baggageOf(ctx)); diff != "" {
		t.Errorf("baggage (-want +got):\n%s", diff)
	}
	if p := baggage.FromContext(ctx).Member("c").Properties(); len(p) != 1 || p[0].String() != "p=q" {
		t.Errorf("properties %v", p)
	}
	if got := ctx.Value(key{}); got != "v" {
		t.Errorf("the value below is %v", got)
	}
	child, stop := context.WithCancel(ctx)
	defer stop()
	cancel(http.ErrAbortHandler)
	<-child.Done()
	if got := context.Cause(child); got != http.ErrAbortHandler {
		t.Errorf("the child was cancelled because of %v", got)
	}
	if got := fmt.Sprint(received(context.Background(), "password=1")); strings.Contains(got, "password") {
		t.Errorf("the context prints as %s", got)
	}
}

// What many goroutines do with one request's context.
func TestUnreadBaggageIsSafeForConcurrentUse(t *testing.T) {
	ctx := received(context.Background(), "b=2,a=1")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				_ = fmt.Sprint(ctx)
				switch got := injected(ctx, propagation.Baggage{}, nil).Get("Baggage"); {
				case got != "b=2,a=1" && got != "a=1,b=2":
					t.Errorf("sent %q", got)
				case i%2 == 0 && baggage.FromContext(ctx).Len() != 2:
					t.Error("not all was found")
				}
			}
		})
	}
	all.Wait()
}
