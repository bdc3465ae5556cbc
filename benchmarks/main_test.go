package benchmarks_test

import (
	"maps"
	"os"
	"testing"

	"github.com/meshtrace/meshtrace/benchmarks/internal/measure"
	"github.com/meshtrace/meshtrace/benchmarks/internal/process"
	"github.com/meshtrace/meshtrace/benchmarks/internal/receiver"
	"github.com/meshtrace/meshtrace/benchmarks/internal/service"
)

func TestMain(m *testing.M) {
	roles := map[string]process.Role{
		receiver.RoleName: receiver.Role,
		measure.RoleName:  measure.Role,
	}
	maps.Copy(roles, service.Roles)
	process.Main(roles)
	os.Exit(m.Run())
}
