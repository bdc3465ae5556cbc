package propagation_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/meshtrace/meshtrace/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestEnviron(t *testing.T) {
	ctx, _ := span(trace.FlagsSampled)
	ctx = withBaggage(t, ctx, "user=alice")
	for _, tt := range []struct {
		rule     string
		ctx      context.Context
		in, want propagation.Environ
	}{
		{"names are upper case", ctx, propagation.Environ{"PATH=/bin"}, propagation.Environ{"PATH=/bin", "TRACEPARENT=" + traceparent, "BAGGAGE=user=alice"}},
		{"what the process was started with is overwritten", ctx, propagation.Environ{"TRACEPARENT=x", "PATH=/bin", "TRACESTATE=a=1", "BAGGAGE=b=2"}, propagation.Environ{"PATH=/bin", "TRACEPARENT=" + traceparent, "BAGGAGE=user=alice"}},
		{"- becomes _", ctx, propagation.Environ{"X_B3_TRACEID=1", "X_AMZN_TRACE_ID=2", "X_OTHER=3"}, propagation.Environ{"X_OTHER=3", "TRACEPARENT=" + traceparent, "BAGGAGE=user=alice"}},
		{"no span", context.Background(), propagation.Environ{"PATH=/bin"}, propagation.Environ{"PATH=/bin"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			before := append(propagation.Environ(nil), tt.in...)
			env := tt.in
			propagation.Linkerd().Inject(tt.ctx, &env)
			if diff := cmp.Diff(tt.want, env); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tt.in); diff != "" {
				t.Errorf("the caller's slice was changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironGet(t *testing.T) {
	env := propagation.Environ{"TRACEPARENT=first", "X_B3_SPANID=span", "=C:=C:\\", "BAGGAGE=a=b", "TRACEPARENT=last", "EMPTY=", "AZAZ09__=punctuation", "_0AUTH=digit", "_=underscore", "path=lower", "ProgramFiles(x86)=C", "1=2"}
	for key, want := range map[string]string{
		"AZaz09[`": "punctuation", "traceparent": "last", "x-b3-spanid": "span", "X-B3-SpanId": "span", "baggage": "a=b", "empty": "", "absent": "",
		"0auth": "digit", "": "underscore", "path": "", "1": "",
	} {
		if got := env.Get(key); got != want {
			t.Errorf("Get(%q) = %q, want %q", key, got, want)
		}
	}
	want := []string{"TRACEPARENT", "X_B3_SPANID", "BAGGAGE", "TRACEPARENT", "EMPTY", "AZAZ09__", "_0AUTH", "_"}
	if diff := cmp.Diff(want, env.Keys()); diff != "" {
		t.Errorf("Keys (-want +got):\n%s", diff)
	}
}
