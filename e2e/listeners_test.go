package e2e_test

import (
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meshtrace/meshtrace/e2e/internal/jaegertest"
	"github.com/meshtrace/meshtrace/e2e/internal/sockets"
)

// Jaeger listens where its configuration says, and nowhere else: above all on no interface but
// the loopback one, where strangers could reach it.
func TestListeners(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	t.Parallel()
	first, second := startJaeger(t), startJaeger(t) // side by side
	for _, server := range []*jaegertest.Server{first, second} {
		listening, err := sockets.Of(server.PID())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range listening {
			if !s.Addr.Addr().IsLoopback() {
				t.Errorf("Jaeger listens on %v, beyond the loopback interface", s)
			}
			got = append(got, s.Network+" "+s.Addr.String())
		}
		slices.Sort(got)
		if diff := cmp.Diff(configured(t, server.Endpoints), got); diff != "" {
			t.Errorf("sockets (-configured +got):\n%s", diff)
		}
	}
}

// configured returns what a Jaeger should listen on, sorted, each as network and address.
func configured(t *testing.T, e jaegertest.Endpoints) []string {
	t.Helper()
	var all []string
	for field, value := range reflect.ValueOf(e).Fields() {
		addr, err := netip.ParseAddrPort(value.String())
		if err != nil {
			t.Fatalf("endpoint %s: %v", field.Name, err)
		}
		network := "tcp4"
		if strings.HasPrefix(field.Name, "Thrift") && field.Name != "ThriftHTTP" {
			network = "udp4"
		}
		all = append(all, network+" "+addr.String())
	}
	slices.Sort(all)
	return all
}
